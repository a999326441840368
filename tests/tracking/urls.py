from django.urls import include, path, re_path

from registry.api.wire import not_found

urlpatterns = [
    path("", include("registry.api.mlflow_registry.urls")),
    path("", include("registry.api.tracking.urls")),
    re_path(r"^(mlflow/)?(api|ajax-api)(/|$)", not_found),
]
