"""Run inside `manage.py shell` of a running stack: three versions of a model, and who may serve them.

The environment of each is a wheel of the stand-in for MLflow, so that a deployment takes a second and no network.
"""

import json

from registry.models import PrincipalKind
from registry.models.principals import Principal
from registry.services.actors import load_actor
from registry.services.aliases import set_alias
from registry.services.tokens import create_token
from tests.serving.factories import make_files_version

CODE = """
def predict(rows):
    return [[VERSION, row] for row in rows]
"""


def prepare() -> None:
    """Make them, as the first administrator."""
    admin = Principal.objects.get(kind=PrincipalKind.USER, name="admin@localhost")
    actor = load_actor(admin)
    for name in ("chaos", "others"):
        for number in (1, 2, 3):
            files = {
                "model.py": CODE.replace("VERSION", str(number)).encode(),
                "serving_input_example.json": b'{"inputs": [0]}',
                "requirements.txt": b"mlflow==3.17.2\n",
            }
            make_files_version(actor, f"workspace.default.{name}", files)
        set_alias(actor=actor, name=f"workspace.default.{name}", alias="Champion", version=1)
    made = create_token(actor=actor, comment="chaos", lifetime_seconds=3600)
    print(json.dumps(made.value))  # noqa: T201


def captured() -> None:
    """Move what is spooled into the tables, and print the client's ids of all rows of the payload table.

    The audit trail is verified too: a fault ends this with an error.
    """
    from django.core.management import call_command

    from serving.models import InferenceTable
    from serving.services.capture_appends import append_captures
    from serving.services.delta_writes import open_table

    while append_captures():
        continue
    row = InferenceTable.objects.get(endpoint_name="chaos")
    table = open_table(row.table)
    assert table is not None
    rows = table.to_pyarrow_table(columns=["client_request_id", "status_code"]).to_pylist()
    call_command("verify_audit")
    print(json.dumps([[one["client_request_id"], one["status_code"]] for one in rows]))  # noqa: T201
