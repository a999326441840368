"""The paths of this dialect: for clients, for the UI (`ajax-api`), and both below the UI's prefix."""

from django.urls import URLPattern, re_path

from registry.api.mlflow_registry import model_versions as versions
from registry.api.mlflow_registry import registered_models as models

_PREFIX = r"^(?:mlflow/)?(?:ajax-)?api/2\.0/mlflow/"

urlpatterns: list[URLPattern] = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("registered-models/create", models.Create),
        ("registered-models/rename", models.Rename),
        ("registered-models/update", models.Update),
        ("registered-models/delete", models.Delete),
        ("registered-models/get", models.Get),
        ("registered-models/search", models.Search),
        ("registered-models/get-latest-versions", models.LatestVersions),
        ("registered-models/alias", models.Alias),
        ("model-versions/create", versions.Create),
        ("model-versions/get", versions.Get),
        ("model-versions/update", versions.Update),
        ("model-versions/delete", versions.Delete),
        ("model-versions/search", versions.Search),
        ("model-versions/get-download-uri", versions.DownloadUri),
        ("model-versions/transition-stage", models.TransitionStage),
    ]
]
urlpatterns += [
    re_path(_PREFIX + f"{noun}/{word}-tag/?$", view.as_view(http_method_names=[method]))
    for noun, view in [("registered-models", models.Tag), ("model-versions", versions.Tag)]
    for word, method in [("set", "post"), ("delete", "delete")]
]
urlpatterns += [re_path(r"^(?:mlflow/)?model-versions/get-artifact/?$", versions.Artifact.as_view())]
