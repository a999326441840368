"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    FLAG,
    FULL_NAME,
    ID,
    MILLIS,
    TEXT,
    VERSION,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    nullable,
)
from serving.models import EnvironmentState
from serving.services.predeployment import CONTENT_TYPES

_NAMED: dict[str, Schema] = {"name": FULL_NAME, "version": VERSION}
_BEGUN = fields({"operation_id": ID})
_LINES = noted(listed(TEXT), "Requirement lines, as 'pandas==2.2.3'. Options, URLs and paths are refused.")

ENVIRONMENT = Named(
    "VersionEnvironment",
    fields(
        {
            "requested": noted(listed(TEXT), "The lines that the model asks for."),
            "client_packed": noted(FLAG, "Whether the client packed an environment with the version."),
            "state": noted(choice("NONE", *EnvironmentState.values), "NONE: nobody has asked for one yet."),
            "message": noted(TEXT, "Why it failed, and what to do."),
            "digest": noted(TEXT, "Hash of interpreter, platform and resolved packages: equal ones are shared."),
            "kind": TEXT,
            "python": TEXT,
            "platform": TEXT,
            "packages": noted(listed(fields({"name": TEXT, "version": TEXT})), "What was resolved."),
            "size_bytes": nullable(WHOLE),
            "packed_bytes": nullable(WHOLE),
            "shared_by": noted(WHOLE, "How many versions have this environment."),
            "built_at": nullable(MILLIS),
            "last_used_at": nullable(MILLIS),
            "proved_at": noted(nullable(MILLIS), "When the input example was last predicted in it."),
            "operation_id": nullable(ID),
            "log": noted(TEXT, "What was told while it was made."),
        }
    ),
)

DIALECT = Dialect(
    slug="environments",
    title="Environments",
    text="What versions need to run: made, packed, proved and edited ahead of a deployment.",
    paths={
        "/api/modelkeep/model-versions:build-environment": {
            "POST": Call("build_environment", _BEGUN, body=fields(_NAMED)),
        },
        "/api/modelkeep/model-versions:edit-requirements": {
            "POST": Call(
                "edit_requirements",
                fields({"operation_id": ID, "name": FULL_NAME, "version": TEXT}),
                body=fields(
                    _NAMED,
                    add=_LINES,
                    remove=noted(listed(TEXT), "Packages to leave out; releases are ignored."),
                ),
            ),
        },
        "/api/modelkeep/model-versions:validate": {
            "POST": Call(
                "validate",
                _BEGUN,
                body=fields(
                    _NAMED,
                    input_data=noted(
                        {"type": ["string", "object", "array", "null"]},
                        "A request as an endpoint takes it; without it the input example is used.",
                    ),
                    content_type=choice(*CONTENT_TYPES),
                    pip_requirements_override=_LINES,
                ),
            ),
        },
        "/api/modelkeep/models/{full_name}/versions/{version}/environment": {
            "GET": Call("get_environment", ENVIRONMENT),
        },
    },
)
