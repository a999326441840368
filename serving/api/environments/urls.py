"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from serving.api.environments import views

_PREFIX = r"^api/modelkeep/"
_VERSION = r"models/(?P<full_name>[^/]+)/versions/(?P<version>[^/]+)"

urlpatterns = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("model-versions:build-environment", views.BuildEnvironment),
        ("model-versions:edit-requirements", views.EditRequirements),
        ("model-versions:validate", views.Validate),
        (f"{_VERSION}/environment", views.Environment),
    ]
]
