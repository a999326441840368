"""The nouns of serving, one file a noun."""

from serving.models.endpoints import (
    ConfigState,
    ConfigUpdate,
    Deployment,
    EndpointConfig,
    EndpointEvent,
    EndpointLevel,
    EndpointPermission,
    EndpointTag,
    EntityRole,
    ServedEntity,
    ServingEndpoint,
)
from serving.models.environments import (
    EnvironmentKind,
    EnvironmentState,
    ResolvedRequirements,
    ServingEnvironment,
    VersionEnvironment,
)
from serving.models.inference_tables import CaptureForm, InferenceTable
from serving.models.replicas import EndpointSample, Replica, ReplicaState
from serving.models.secrets import Secret, SecretGrant, SecretLevel, SecretScope

__all__ = [
    "CaptureForm",
    "ConfigState",
    "ConfigUpdate",
    "Deployment",
    "EndpointConfig",
    "EndpointEvent",
    "EndpointLevel",
    "EndpointPermission",
    "EndpointSample",
    "EndpointTag",
    "EntityRole",
    "EnvironmentKind",
    "EnvironmentState",
    "InferenceTable",
    "Replica",
    "ReplicaState",
    "ResolvedRequirements",
    "Secret",
    "SecretGrant",
    "SecretLevel",
    "SecretScope",
    "ServedEntity",
    "ServingEndpoint",
    "ServingEnvironment",
    "VersionEnvironment",
]
