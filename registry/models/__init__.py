"""The nouns of the registry, one file a noun."""

from registry.models.access_requests import AccessRequest, AccessRequestState
from registry.models.artifacts import Blob, ManifestEntry, MultipartUpload
from registry.models.audit import AuditEvent
from registry.models.deliveries import Delivery, DeliveryAttempt, DeliveryOrigin, DeliveryState
from registry.models.experiments import Experiment, ExperimentGrant, ExperimentLevel
from registry.models.lineage import LineageEdge
from registry.models.notification_destinations import DestinationKind, NotificationDestination
from registry.models.operations import Operation, OperationLogLine, OperationState
from registry.models.principals import (
    ACCOUNT_USERS,
    ADMINS,
    ApiToken,
    Membership,
    Principal,
    PrincipalKind,
    ServicePrincipalSecret,
)
from registry.models.registered_models import (
    AliasMove,
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    VersionStatus,
)
from registry.models.securables import Grant, Securable, SecurableTag, Table
from registry.models.sql_statements import SqlStatement, StatementState
from registry.models.tag_policies import TagPolicy, TagPolicyRole, TagRole
from registry.models.webhooks import Webhook, WebhookStatus
from registry.models.workspace_settings import WorkspaceSetting

__all__ = [
    "ACCOUNT_USERS",
    "ADMINS",
    "AccessRequest",
    "AccessRequestState",
    "AliasMove",
    "ApiToken",
    "AuditEvent",
    "Blob",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryOrigin",
    "DeliveryState",
    "DestinationKind",
    "Experiment",
    "ExperimentGrant",
    "ExperimentLevel",
    "Grant",
    "LineageEdge",
    "ManifestEntry",
    "Membership",
    "ModelAlias",
    "ModelVersion",
    "ModelVersionTag",
    "MultipartUpload",
    "NotificationDestination",
    "Operation",
    "OperationLogLine",
    "OperationState",
    "Principal",
    "PrincipalKind",
    "RegisteredModel",
    "Securable",
    "SecurableTag",
    "ServicePrincipalSecret",
    "SqlStatement",
    "StatementState",
    "Table",
    "TagPolicy",
    "TagPolicyRole",
    "TagRole",
    "VersionStatus",
    "Webhook",
    "WebhookStatus",
    "WorkspaceSetting",
]
