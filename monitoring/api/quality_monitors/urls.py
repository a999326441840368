"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import URLPattern, re_path

from monitoring.api.quality_monitors import views

_MONITOR = r"^api/2\.1/unity-catalog/tables/(?P<full_name>[^/]+)/monitor"
_REFRESH = _MONITOR + r"/refreshes/(?P<refresh_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(_MONITOR + r"/?$", views.TableMonitor.as_view()),
    re_path(_MONITOR + r"/refreshes/?$", views.Refreshes.as_view()),
    re_path(_REFRESH + r"/?$", views.OneRefresh.as_view()),
    re_path(_REFRESH + r"/cancel/?$", views.CancelRefresh.as_view()),
    re_path(r"^api/modelkeep/tables/(?P<full_name>[^/]+)/monitor-choices/?$", views.Choices.as_view()),
    re_path(r"^api/modelkeep/tables/(?P<full_name>[^/]+)/monitor-preview/?$", views.Preview.as_view()),
    re_path(r"^api/modelkeep/endpoints/(?P<name>[^/]+)/monitor/?$", views.EndpointMonitor.as_view()),
    re_path(
        r"^api/2\.1/quality-monitoring/tables/(?P<full_name>[^/]+)/monitor/dashboard/?$",
        views.Dashboard.as_view(),
    ),
]
