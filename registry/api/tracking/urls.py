"""Paths of the tracking server, with and without the UI's prefix. Registry paths are matched before these."""

from django.urls import URLPattern, path, re_path

from registry.api.tracking import pages
from registry.api.tracking.permissions import ExperimentPermissionLevelsView, ExperimentPermissionsView
from registry.api.tracking.views import proxy

_PERMISSIONS = r"^api/2\.0/permissions/experiments/(?P<experiment_id>[^/]+)"

urlpatterns: list[URLPattern] = [
    re_path(rf"{_PERMISSIONS}/permissionLevels/?$", ExperimentPermissionLevelsView.as_view()),
    re_path(rf"{_PERMISSIONS}/?$", ExperimentPermissionsView.as_view()),
    path("ml/experiments/<str:experiment_id>/runs/<str:run_id>", pages.run_link),
    path("ml/experiments/<str:experiment_id>", pages.experiment_link),
    path("mlflow", pages.bare_prefix),
    re_path(r"^mlflow/", proxy, name="mlflow"),
    re_path(r"^(?:ajax-)?api/\d\.\d/(?:mlflow|mlflow-artifacts|jobs)/", proxy),
    re_path(r"^(?:graphql|version|health|get-artifact|v1/traces)/?$", proxy),
]
