"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from registry.api.mlflow_unity_catalog import model_versions as versions
from registry.api.mlflow_unity_catalog import registered_models as models

_PREFIX = r"^api/2\.0/mlflow/unity-catalog/"

urlpatterns = [
    re_path(_PREFIX + path + r"/?$", view.as_view())
    for path, view in [
        ("registered-models/create", models.Create),
        ("registered-models/get", models.Get),
        ("registered-models/update", models.Update),
        ("registered-models/delete", models.Delete),
        ("registered-models/search", models.Search),
        ("registered-models/alias", models.Alias),
        (
            "registered-models:is-databricks-sdk-models-artifact-repository-enabled",
            versions.ArtifactRepository,
        ),
        ("model-versions/create", versions.Create),
        ("model-versions/finalize", versions.Finalize),
        ("model-versions/get", versions.Get),
        ("model-versions/update", versions.Update),
        ("model-versions/delete", versions.Delete),
        ("model-versions/search", versions.Search),
        ("model-versions/generate-temporary-credentials", versions.Credentials),
        ("model-versions/get-download-uri", versions.DownloadUri),
        ("model-versions/emit-lineage", versions.EmitLineage),
    ]
]
urlpatterns += [
    re_path(_PREFIX + f"{noun}/{word}-tag/?$", view.as_view(http_method_names=[method]))
    for noun, view in [("registered-models", models.Tag), ("model-versions", versions.Tag)]
    for word, method in [("set", "post"), ("delete", "delete")]
]
