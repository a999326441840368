"""Every path of the product: the only module that knows all dialects."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from registry.api.wire import not_found
from registry.web.api_reference import operation_page, reference_page

handler403 = "registry.web.errors.handler403"
handler404 = "registry.web.errors.handler404"
handler500 = "registry.web.errors.handler500"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("registry.api.openapi.urls")),
    path("", include("registry.api.mlflow_unity_catalog.urls")),
    path("", include("registry.api.unity_catalog.urls")),
    path("", include("registry.api.oauth.urls")),
    path("", include("registry.api.identity.urls")),
    path("", include("registry.api.files.urls")),
    path("", include("registry.api.s3.urls")),
    path("", include("registry.api.sql.urls")),
    path("", include("registry.api.modelkeep.urls")),
    path("", include("serving.api.staging.urls")),
    path("", include("serving.api.environments.urls")),
    path("", include("serving.api.scoring.urls")),
    path("", include("serving.api.endpoints.urls")),
    path("", include("serving.api.inference_tables.urls")),
    path("", include("serving.api.secrets.urls")),
    path("", include("registry.api.mlflow_registry.urls")),
    path("", include("registry.api.mlflow_webhooks.urls")),
    path("", include("registry.api.notification_destinations.urls")),
    path("", include("registry.api.tracking.urls")),
    path("", include("monitoring.api.quality_monitors.urls")),
    path("", include("monitoring.api.data_quality.urls")),
    path("", include("monitoring.api.alerts.urls")),
    path("api/docs", reference_page, name="api-docs"),
    path("api/docs/<str:operation_id>", operation_page, name="api-operation"),
    re_path(r"^(?:mlflow/)?(?:api|ajax-api)(?:/|$)", not_found),
    path("console/", admin.site.urls),
    path("", include("serving.web.urls")),
    path("", include("monitoring.web.urls")),
    path("", include("registry.web.urls")),
]
