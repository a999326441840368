"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import URLPattern, re_path

from registry.api.notification_destinations.views import Destinations, OneDestination

_PREFIX = r"^api/2\.0/notification-destinations"

urlpatterns: list[URLPattern] = [
    re_path(_PREFIX + r"/?$", Destinations.as_view()),
    re_path(_PREFIX + r"/(?P<destination_id>[^/]+)/?$", OneDestination.as_view()),
]
