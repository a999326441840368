"""The addresses of the screens of serving."""

from django.urls import path

from serving.web import (
    endpoint,
    endpoint_actions,
    endpoint_capture,
    endpoint_form,
    endpoint_permissions,
    endpoint_settings,
    endpoints,
    model_serving,  # noqa: F401  (adds a tab)
    scoring,
    secrets,
    version_deployment,
)

_ONE = "serving/<str:endpoint>"
_VERSION = "explore/data/models/<str:catalog>/<str:schema>/<str:model>/version/<int:version>"
_SCOPE = "settings/secrets/<str:scope>"

urlpatterns = [
    path("serving", endpoints.endpoints_page, name="endpoints"),
    # Two levels, so that an endpoint may have any name: none of its own addresses is one of these.
    path("serving/create/endpoint", endpoint_form.create, name="create-endpoint"),
    path("serving/create/endpoint-plan", endpoint_form.plan, name="create-endpoint-plan"),
    path("serving/create/models", endpoint_form.models, name="endpoint-models"),
    path("serving/create/versions", endpoint_form.versions, name="endpoint-versions"),
    path("serving/create/schemas", endpoint_capture.places, name="capture-places"),
    path(_ONE, endpoint.endpoint_page, name="endpoint"),
    path(f"{_ONE}/live", endpoint.live, name="endpoint-live"),
    path(f"{_ONE}/log", endpoint.log, name="endpoint-log"),
    path(f"{_ONE}/edit", endpoint_form.edit, name="edit-endpoint"),
    path(f"{_ONE}/plan", endpoint_form.plan, name="endpoint-plan"),
    path(f"{_ONE}/stop", endpoint_actions.stop, name="endpoint-stop"),
    path(f"{_ONE}/start", endpoint_actions.start, name="endpoint-start"),
    path(f"{_ONE}/cancel", endpoint_actions.cancel, name="endpoint-cancel"),
    path(f"{_ONE}/delete", endpoint_actions.delete, name="endpoint-delete"),
    path(f"{_ONE}/roll-back/<int:version>", endpoint_actions.back, name="endpoint-roll-back"),
    path(f"{_ONE}/description", endpoint_settings.describe, name="endpoint-describe"),
    path(f"{_ONE}/tag", endpoint_settings.tag, name="endpoint-tag"),
    path(f"{_ONE}/untag", endpoint_settings.untag, name="endpoint-untag"),
    path(f"{_ONE}/limits", endpoint_settings.limits, name="endpoint-limits"),
    path(f"{_ONE}/notifications", endpoint_settings.notify, name="endpoint-notify"),
    path(f"{_ONE}/access", endpoint_permissions.grant, name="endpoint-grant"),
    path(f"{_ONE}/access/revoke", endpoint_permissions.revoke, name="endpoint-revoke"),
    path(f"{_ONE}/access/principals", endpoint_permissions.grantees, name="endpoint-grantees"),
    path(f"{_ONE}/table", endpoint_capture.turn_on, name="endpoint-capture"),
    path(f"{_ONE}/table/<str:form_name>/off", endpoint_capture.turn_off, name="endpoint-capture-off"),
    path(f"{_ONE}/table/<str:form_name>/retention", endpoint_capture.retention, name="endpoint-retention"),
    path(f"{_ONE}/labels", endpoint_capture.labels, name="endpoint-labels"),
    path(f"{_VERSION}/environment", version_deployment.environment, name="version-environment"),
    path(f"{_VERSION}/environment/pack", version_deployment.pack, name="version-pack"),
    path(f"{_VERSION}/environment/edit", version_deployment.edit, name="version-requirements"),
    path(f"{_VERSION}/validate", version_deployment.validate, name="version-validate"),
    path("trials/<uuid:operation_id>", version_deployment.trial, name="deployment-trial"),
    path("score", scoring.score, name="score"),
    path("score/plan", scoring.plan, name="score-plan"),
    path("score/tables", scoring.tables, name="score-tables"),
    path("score/targets", scoring.targets, name="score-targets"),
    path("settings/secrets", secrets.scopes_page, name="secret-scopes"),
    path("settings/secrets:new", secrets.new_scope, name="new-secret-scope"),
    path(_SCOPE, secrets.scope_page, name="secret-scope"),
    path(f"{_SCOPE}/secret", secrets.secret, name="secret"),
    path(f"{_SCOPE}/secret/delete", secrets.remove_secret, name="delete-secret"),
    path(f"{_SCOPE}/delete", secrets.remove_scope, name="delete-secret-scope"),
    path(f"{_SCOPE}/access", secrets.grant, name="secret-grant"),
    path(f"{_SCOPE}/access/revoke", secrets.revoke, name="secret-revoke"),
]
