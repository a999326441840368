"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import URLPattern, re_path

from monitoring.api.data_quality import views

_ROOT = r"^api/data-quality/v1/monitors"
_MONITOR = _ROOT + r"/(?P<object_type>[^/]+)/(?P<object_id>[^/]+)"
_REFRESH = _MONITOR + r"/refreshes/(?P<refresh_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(_ROOT + r"/?$", views.Monitors.as_view()),
    re_path(_MONITOR + r"/?$", views.OneMonitor.as_view()),
    re_path(_MONITOR + r"/refreshes/?$", views.Refreshes.as_view()),
    re_path(_REFRESH + r"/?$", views.OneRefresh.as_view()),
    re_path(_REFRESH + r"/cancel/?$", views.CancelRefresh.as_view()),
]
