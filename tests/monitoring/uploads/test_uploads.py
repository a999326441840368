"""Files become rows of governed tables: by whom, all of them or none, and never more than is allowed."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from django.core.management import CommandError, call_command

from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, NotFound, TooLarge
from registry.models import AuditEvent, Principal, Table
from registry.privileges import Privilege, SecurableType
from registry.services.securables import find_securable
from registry.services.table_data import folder_of
from registry.services.table_uploads import form_of, upload_rows
from tests.monitoring.lake import FLIGHTS, Lake, make_lake

pytestmark = pytest.mark.django_db
CSV = b"id,carrier,delay\n1,AA,10.5\n2,UA,\n"
NEW = "prod.ml.labels"


@pytest.fixture
def lake(people, settings, tmp_path) -> Lake:
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    return make_lake(people)


def upload(lake, content=CSV, *, who="owner", name=NEW, mode="create", form="CSV"):
    actor = getattr(lake.people, who)
    return upload_rows(actor=actor, full_name=name, source=io.BytesIO(content), form=form, mode=mode)


def rows_of(name):
    table = find_securable(SecurableType.TABLE, name)
    return DeltaTable(str(folder_of(table.pk))).to_pyarrow_table().to_pylist()


def as_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def left_over(settings):
    from pathlib import Path

    return [*Path(settings.SQL_ROOT).glob("*"), *Path(settings.TABLE_ROOT, ".staging").glob("*")]


def test_a_file_becomes_a_table_then_more_rows_then_other_rows(lake, settings):
    made = upload(lake)
    assert (made.rows, [column["type_text"] for column in made.columns]) == (2, ["BIGINT", "STRING", "DOUBLE"])
    table = Table.objects.get(securable__key="labels")
    assert (table.securable.owner.name, table.table_type) == ("owner@example.com", "MANAGED")
    more = as_parquet(pa.table({"carrier": ["DL"], "ID": pa.array([3], pa.int32())}))
    assert upload(lake, more, mode="append", form="PARQUET").rows == 1
    assert {(row["id"], row["carrier"], row["delay"]) for row in rows_of(NEW)} == {
        (1, "AA", 10.5), (2, "UA", None), (3, "DL", None),
    }  # fmt: skip
    assert upload(lake, b"id,carrier,delay\n9,B6,1\n", mode="overwrite").rows == 1
    assert rows_of(NEW) == [{"id": 9, "carrier": "B6", "delay": 1.0}]
    assert left_over(settings) == []
    params = [event.params for event in AuditEvent.objects.filter(action="modifyTable")]
    assert {"statement_id": "upload:overwrite"} in params


def test_a_file_that_breaks_in_the_middle_changes_nothing(lake, settings):
    upload(lake)
    with pytest.raises(InvalidParameter, match="Column 'id' must be int64"):
        upload(lake, b"id\n4\nx\n", mode="append")
    assert len(rows_of(NEW)) == 2
    with pytest.raises(InvalidParameter):
        upload(lake, b"a,a\n1,2\n", name="prod.ml.other")
    assert not Table.objects.filter(securable__key="other").exists()
    assert left_over(settings) == []


def test_what_is_too_large_is_not_taken_in(lake, settings):
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(TooLarge, match="larger than 10 bytes"):
        upload(lake)
    assert left_over(settings) == []


def test_rights_are_asked_before_a_byte_is_read(lake):
    class Unread(io.BytesIO):
        def read(self, *_):
            raise AssertionError("was read")

    def attempt(who, name, mode):
        upload_rows(actor=getattr(lake.people, who), full_name=name, source=Unread(), form="CSV", mode=mode)

    lake.table()
    with pytest.raises(AccessDenied, match="lacks CREATE_TABLE"):
        attempt("reader", NEW, "create")
    with pytest.raises(NotFound):
        attempt("reader", FLIGHTS, "append")
    lake.grant(FLIGHTS, "reader", Privilege.SELECT)
    with pytest.raises(AccessDenied, match="lacks ownership or MODIFY"):
        attempt("reader", FLIGHTS, "overwrite")
    with pytest.raises(AlreadyExists):
        attempt("owner", FLIGHTS, "create")
    with pytest.raises(NotFound):
        attempt("owner", "prod.ml.nowhere", "append")
    for name, mode, form in (("flights", "append", "CSV"), (FLIGHTS, "merge", "CSV"), (FLIGHTS, "append", "XLSX")):
        with pytest.raises(InvalidParameter):
            upload_rows(actor=lake.people.owner, full_name=name, source=Unread(), form=form, mode=mode)


def test_who_uploads_is_asked_for_again_when_the_file_is_there(lake, settings):
    class Slow(io.BytesIO):
        def read(self, *size):
            Principal.objects.filter(key="owner@example.com").update(is_active=False)
            return super().read(*size)

    for name, mode in ((NEW, "create"), (FLIGHTS, "append")):
        Principal.objects.filter(key="owner@example.com").update(is_active=True)
        if mode == "append":
            lake.table()
        with pytest.raises(AccessDenied, match="gone or disabled"):
            upload_rows(actor=lake.people.owner, full_name=name, source=Slow(CSV), form="CSV", mode=mode)
    assert not Table.objects.filter(securable__key="labels").exists()
    assert left_over(settings) == []


def test_over_rest_the_body_is_the_file(lake):
    from registry.services.tokens import create_token

    headers = {"Authorization": f"Bearer {create_token(actor=lake.people.owner).value}"}
    path = f"/api/modelkeep/tables/{NEW}/rows?mode=create"
    answer = lake.client.post(path, CSV, content_type="text/csv", headers=headers)
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "table": NEW,
        "mode": "create",
        "rows": 2,
        "columns": [
            {"name": "id", "type": "BIGINT"},
            {"name": "carrier", "type": "STRING"},
            {"name": "delay", "type": "DOUBLE"},
        ],
    }
    again = lake.client.post(path, CSV, content_type="text/csv", headers=headers)
    assert (again.status_code, again.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    for wrong in (
        f"/api/modelkeep/tables/{NEW}/rows?mode=append",
        f"/api/modelkeep/tables/{NEW}/rows?mode=x&format=csv",
    ):
        assert lake.client.post(wrong, b"", content_type="application/zip", headers=headers).status_code == 400


def test_a_command_does_the_same(lake, tmp_path, capsys):
    file = tmp_path / "labels.csv"
    file.write_bytes(CSV)
    call_command("upload_table", str(file), NEW, "--as", "owner@example.com")
    assert capsys.readouterr().out == f"{NEW}: 2 rows, 3 columns\n"
    with pytest.raises(CommandError, match="lacks"):
        call_command("upload_table", str(file), "prod.ml.mine", "--as", "reader@example.com")
    with pytest.raises(CommandError, match="use csv or parquet"):
        call_command("upload_table", str(file), NEW, "--format", "xlsx")


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("csv", "CSV"),
        ("text/csv; charset=utf-8", "CSV"),
        ("a.b.PARQUET", "PARQUET"),
        ("application/x-parquet", "PARQUET"),
    ],
)
def test_forms_are_read_from_words_types_and_names(said, form):
    assert form_of(said) == form
