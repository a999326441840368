"""The paths of this dialect, with and without a trailing slash: mlflow.deployments sends one, the SDK does not."""

from django.urls import URLPattern, re_path

from serving.api.endpoints import own, permissions, views

_ROOT = r"^api/2\.0/serving-endpoints"
_ONE = rf"{_ROOT}/(?P<name>[^/]+)"
_SERVED = rf"{_ONE}/served-(?:models|entities)/(?P<served>[^/]+)"
_OWN = r"^api/modelkeep/endpoints/(?P<name>[^/]+)"
_PERMISSIONS = r"^api/2\.0/permissions/serving-endpoints/(?P<endpoint_id>[^/]+)"

_VIEWS = [
    (_ROOT, views.Endpoints),
    (_ONE, views.OneEndpoint),
    (rf"{_ONE}/config", views.Config),
    (rf"{_ONE}/tags", views.Tags),
    (rf"{_ONE}/rate-limits", views.RateLimits),
    (rf"{_ONE}/ai-gateway", views.AiGateway),
    (rf"{_ONE}/notifications", views.Notifications),
    (rf"{_ONE}/telemetry-config", views.Telemetry),
    (rf"{_ONE}/metrics", views.Metrics),
    (rf"{_ONE}/openapi", views.OpenApi),
    (rf"{_SERVED}/logs", views.ServiceLogs),
    (rf"{_SERVED}/build-logs", views.BuildLogs),
    (_PERMISSIONS, permissions.EndpointPermissionsView),
    (rf"{_PERMISSIONS}/permissionLevels", permissions.EndpointPermissionLevelsView),
    (rf"{_OWN}/events", own.Events),
    (rf"{_OWN}/configs", own.Configs),
    (rf"{_OWN}/description", own.Description),
    (rf"{_OWN}/cancel-update", own.CancelUpdate),
    (rf"{_OWN}/stop", own.Stop),
    (rf"{_OWN}/start", own.Start),
    (rf"{_OWN}/roll-back", own.RollBack),
]

urlpatterns: list[URLPattern] = [re_path(path + r"/?$", view.as_view()) for path, view in _VIEWS]
