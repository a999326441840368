"""A table is scored by a model: rights, plan, one effect whatever dies, and the real thing in the sandbox."""

from datetime import timedelta

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from django.utils import timezone

from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, NotFound
from registry.models import AuditEvent, LineageEdge, Operation, OperationState, Table
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.operation_runner import run_operation
from registry.services.operations import request_cancel, retry_operation
from registry.services.table_data import folder_of
from serving.services import scoring_batches, table_scoring
from serving.services.scoring_plans import plan_scoring
from serving.services.table_scoring import sweep_scoring
from tests.serving.factories import make_files_version
from tests.serving.scoring.conftest import FLIGHTS, MODEL, SOURCE, TARGET, ranker, rows_of
from tests.sql.conftest import lake  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db(transaction=True)


def folder_named(full_name: str):
    return folder_of(Table.objects.get(securable__key=full_name.rpartition(".")[2]).pk)


def test_the_whole_walk_in_the_sandbox(field):
    """A table is made of what the champion says; a batch that it refuses leaves nothing."""
    people = field.lake.people
    set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
    operation = field.finished(field.score(alias="Champion"))
    assert operation.state == OperationState.SUCCEEDED, operation.error
    assert operation.result == {"table": TARGET, "rows": 3, "source": SOURCE, "source_version": 0, "model_version": 1}
    rows = rows_of(folder_named(TARGET))
    assert [(row["id"], row["carrier"], row["prediction"]) for row in rows] == [
        (1, "AA", 20),
        (2, "UA", 40),
        (3, "AA", 60),
    ]
    assert {(row["model_name"], row["model_version"]) for row in rows} == {(MODEL, "1")}
    assert {row["scored_at"] for row in rows} == {operation.started_at}
    assert field.lake.run("owner", f"SELECT sum(prediction) FROM {TARGET}") == [["120.0"]]
    edge = LineageEdge.objects.get(table__key="scored")
    assert (edge.version, edge.details["source_version"]) == (field.version, 0)
    assert AuditEvent.objects.filter(action="writeScoredRows", securable_name=TARGET).count() == 1

    source = folder_named(SOURCE)
    write_deltalake(source, pa.table({"id": [4], "carrier": ["bad"], "distance": [1]}), mode="append")
    refused = field.finished(field.score(mode="append"))
    assert refused.state == OperationState.FAILED
    assert "Rows 1 to 4 of prod.ml.flights were not scored, and nothing was written." in refused.error
    assert "no carrier is called bad" in refused.error
    assert DeltaTable(folder_named(TARGET)).version() == 0
    assert not list((table_scoring._root()).glob("*"))


def test_a_plan_names_what_is_lacking_and_what_is_read(field, django_assert_max_num_queries):
    people = field.lake.people
    with django_assert_max_num_queries(15):
        plan = plan_scoring(actor=people.owner, asked=field.asked())
    assert plan.allowed
    assert (plan.rows, plan.source_version, plan.prediction) == (3, 0, "double")
    assert [(match.input, match.column, match.problem) for match in plan.matches] == [
        ("distance", "distance", ""),
        ("Carrier", "carrier", ""),
    ]
    assert plan.columns == ["id", "carrier", "distance"]
    field.lake.grant(SecurableType.REGISTERED_MODEL, MODEL, "reader", Privilege.EXECUTE)
    with pytest.raises(NotFound):
        plan_scoring(actor=people.outsider, asked=field.asked())
    hidden = plan_scoring(actor=people.reader, asked=field.asked())
    assert any(SOURCE in blocker for blocker in hidden.blockers)
    assert ("CREATE_TABLE or ownership", False) in [(need.what, need.met) for need in hidden.needs]
    assert hidden.rows is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"columns": ["nothing"]}, "no column 'nothing'"),
        ({"source": "prod.ml.short"}, "Input 'distance' (double): list<"),
        ({"source": "prod.ml.clash"}, "a column 'Prediction' of their own"),
        ({"mode": "append", "target": SOURCE}, "The target is the source"),
        ({"mode": "append", "target": "prod.ml.short"}, "no column 'id'"),
        ({"input_columns": ["id"]}, "names its inputs"),
        ({"mode": "replace"}, "'mode' is 'replace'"),
        ({"target": "scored"}, "catalog.schema.table"),
        ({"alias": "Champion", "version": 1}, "either 'version'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(field, changes, reason):
    field.table("owner", "prod.ml.short", pa.table({"carrier": ["AA"], "distance": [[1.0]]}))
    field.table("owner", "prod.ml.clash", FLIGHTS.append_column("Prediction", FLIGHTS["id"]))
    with pytest.raises(InvalidParameter) as refused:
        field.score(**changes)
    assert reason in refused.value.message
    assert not Operation.objects.exists()


def test_rights_are_asked_when_it_is_begun_and_when_it_runs(field, stand_in):
    grant, reader = field.lake.grant, field.lake.people.reader
    grant(SecurableType.REGISTERED_MODEL, MODEL, "reader", Privilege.EXECUTE)
    with pytest.raises((NotFound, AccessDenied)):
        field.score("reader")
    grant(SecurableType.SCHEMA, "prod.ml", "reader", Privilege.CREATE_TABLE)
    with pytest.raises((NotFound, AccessDenied)):
        field.score("reader")
    grant(SecurableType.TABLE, SOURCE, "reader", Privilege.SELECT)
    field.table("owner", TARGET, FLIGHTS)
    with pytest.raises(AlreadyExists):
        field.score("reader")
    with pytest.raises((NotFound, AccessDenied)):
        field.score("reader", mode="overwrite")
    operation = field.score("reader", target="prod.ml.other")
    reader.principal.is_active = False
    reader.principal.save()
    ended = field.finished(operation)
    assert (ended.state, stand_in.scored) == (OperationState.FAILED, [])
    assert not Table.objects.filter(securable__key="other").exists()


@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
@pytest.mark.parametrize("moment", ["score", "write", "publish"])
def test_a_kill_at_any_step_leaves_one_effect(field, stand_in, monkeypatch, mode, moment):
    """Three batches; the first attempt dies, the second goes on where it was."""
    monkeypatch.setattr(scoring_batches, "MOST_ROWS", 1)
    if mode != "create":
        field.table(
            "owner",
            TARGET,
            FLIGHTS.append_column("prediction", FLIGHTS["distance"].cast("float64"))
            .append_column("model_name", pa.array(["old"] * 3))
            .append_column("model_version", pa.array(["0"] * 3))
            .append_column("scored_at", pa.array([timezone.now()] * 3, pa.timestamp("us", "UTC"))),
        )
    operation = field.score(mode=mode)
    with monkeypatch.context() as patched:

        def killed(*_args, **_named):
            raise KeyboardInterrupt

        if moment == "score":
            stand_in.killed_at = "00000001"
        else:
            patched.setattr(table_scoring, "_publish", killed)
        if moment == "write":
            patched.setattr(table_scoring._Scoring, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            run_operation(operation_id=operation.pk)
    assert sweep_scoring() == 0, "what an operation keeps stays while it goes on"
    Operation.objects.filter(pk=operation.pk).update(state="PENDING", lease_until=timezone.now() - timedelta(hours=1))
    ended = field.finished(operation)
    assert ended.state == OperationState.SUCCEEDED, ended.error
    assert sorted(stand_in.scored) == ["00000000", "00000001", "00000002"], "no batch is scored twice"
    found = sorted(
        (row["id"], row["prediction"]) for row in rows_of(folder_named(TARGET)) if row["model_name"] != "old"
    )
    assert found == [(1, 20), (2, 40), (3, 60)]
    assert len(rows_of(folder_named(TARGET))) == (6 if mode == "append" else 3)
    assert AuditEvent.objects.filter(action="writeScoredRows").count() == 1


def test_the_source_is_read_as_it_was_and_a_retry_as_it_is(field, stand_in, monkeypatch):
    operation = field.score(columns=["ID"])
    write_deltalake(folder_named(SOURCE), FLIGHTS, mode="append")
    request_cancel(actor=field.lake.people.owner, operation_id=operation.pk)
    again = retry_operation(actor=field.lake.people.owner, operation_id=operation.pk)
    assert (operation.params["rows"], again.params["rows"], again.params["source_version"]) == (3, 6, 1)
    write_deltalake(folder_named(SOURCE), FLIGHTS, mode="append")
    assert field.finished(again).result["rows"] == 6
    rows = rows_of(folder_named(TARGET))
    assert len(rows) == 6
    assert list(rows[0]) == ["id", "prediction", "model_name", "model_version", "scored_at"]


def test_a_cancel_between_batches_writes_nothing(field, stand_in, monkeypatch):
    monkeypatch.setattr(scoring_batches, "MOST_ROWS", 1)
    monkeypatch.setattr("registry.services.operation_context._CHECK_EVERY_SECONDS", 0)
    operation = field.score()
    score = stand_in.score

    def canceling(self, name, batch):
        request_cancel(actor=field.lake.people.owner, operation_id=operation.pk)
        return score(self, name, batch)

    monkeypatch.setattr(stand_in, "score", canceling)
    assert field.finished(operation).state == OperationState.CANCELED
    assert not Table.objects.filter(securable__key="scored").exists()
    assert not list((table_scoring._root()).glob("*"))


def test_an_empty_table_and_other_inputs(field, stand_in):
    field.table("owner", "prod.ml.none", FLIGHTS.slice(0, 0))
    ended = field.finished(field.score(source="prod.ml.none"))
    assert ended.state == OperationState.SUCCEEDED, ended.error
    assert rows_of(folder_named(TARGET)) == []
    tensor = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]
    unnamed = make_files_version(field.lake.people.owner, MODEL, ranker(inputs=tensor))
    with pytest.raises(InvalidParameter, match="input_columns"):
        field.score(version=unnamed.version, target="prod.ml.other")
    asked = field.asked(version=unnamed.version, target="prod.ml.other", input_columns=["distance", "id"])
    plan = plan_scoring(actor=field.lake.people.owner, asked=asked)
    assert [(match.column, str(match.arrow)) for match in plan.matches] == [("distance", "double"), ("id", "double")]
