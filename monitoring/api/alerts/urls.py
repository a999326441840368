"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import URLPattern, re_path

from monitoring.api.alerts import views

_ROOT = r"^api/2\.0/alerts"
_OURS = r"^api/modelkeep/alerts"
_ONE = _OURS + r"/(?P<alert_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(_ROOT + r"/?$", views.Alerts.as_view()),
    re_path(_OURS + r"/test/?$", views.TryAlert.as_view()),
    re_path(_ONE + r"/evaluate/?$", views.Evaluate.as_view()),
    re_path(_ONE + r"/mute/?$", views.Mute.as_view()),
    re_path(_ONE + r"/transfer/?$", views.Transfer.as_view()),
    re_path(_ONE + r"/notice/?$", views.PreviewNotice.as_view()),
    re_path(_ONE + r"/evaluations/?$", views.Evaluations.as_view()),
    re_path(_ONE + r"/incidents/?$", views.Incidents.as_view()),
    re_path(_ROOT + r"/(?P<alert_id>[^/]+)/?$", views.OneAlert.as_view()),
]
