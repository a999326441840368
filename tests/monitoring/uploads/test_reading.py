"""CSV and Parquet files become columns with types, or are refused with the reason."""

import datetime as dt
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.sql.uploads import BadFile, open_upload


@pytest.fixture
def read(tmp_path):
    """The rows of a file, as a table."""

    def as_table(content, form="CSV", target=None) -> pa.Table:
        path = tmp_path / "file"
        if isinstance(content, pa.Table):
            pq.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        upload = open_upload(str(path), form=form, target=target)
        return pa.Table.from_batches(upload.batches, schema=upload.schema)

    return as_table


def column(table, name="x"):
    return str(table.schema.field(name).type), table[name].to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", ""], "int64", [1, -2, None]),
        (["1", "2.5"], "double", [1.0, 2.5]),
        (["1", "x"], "string", ["1", "x"]),
        (["007", "012"], "string", ["007", "012"]),
        (["0", "0.5"], "double", [0.0, 0.5]),
        (["true", "False", "NULL"], "bool", [True, False, None]),
        (["2030-01-31"], "date32[day]", [dt.date(2030, 1, 31)]),
        (["2030-01-31T10:00:00Z"], "timestamp[us, tz=UTC]", [dt.datetime(2030, 1, 31, 10, tzinfo=dt.UTC)]),
        (["2030-01-31 10:00:00"], "timestamp[us, tz=UTC]", [dt.datetime(2030, 1, 31, 10, tzinfo=dt.UTC)]),
        (["2030-01-31", "2030-02-01 10:00"], "timestamp[us, tz=UTC]", None),
        (["2030-01-31", "yesterday"], "string", ["2030-01-31", "yesterday"]),
        (["", ""], "string", [None, None]),
        (["99999999999999999999"], "double", [1e20]),
        (["1e5"], "double", [1e5]),
        (['"a\nb"'], "string", ["a\nb"]),
        (["=HYPERLINK()"], "string", ["=HYPERLINK()"]),
    ],
)
def test_a_column_has_the_narrowest_type_that_all_values_have(read, values, kind, expected):
    content = "id,x\n" + "".join(f"1,{value}\n" for value in values)
    found_kind, found = column(read(content))
    assert found_kind == kind
    assert expected is None or found == expected


def test_a_type_that_only_the_last_rows_break_is_widened(read):
    content = io.StringIO()
    content.write("x,y\n")
    for number in range(400_000):
        content.write(f"{number},{number}\n")
    content.write("1.5,end\n")
    table = read(content.getvalue())
    assert [str(field.type) for field in table.schema] == ["double", "string"]
    assert table.num_rows == 400_001


def test_a_byte_order_mark_and_windows_line_ends_are_no_content(read):
    table = read("\ufeffid,name\r\n1,Zoë\r\n".encode())
    assert table.to_pylist() == [{"id": 1, "name": "Zoë"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("a,a\n1,2\n", "Two columns are named 'a'"),
        ("a,A\n1,2\n", "Two columns are named"),
        ("a,\n1,2\n", "Column 2 has no name"),
        ("a,b\n1,2,3\n", "Expected 2 columns, got 3"),
        (b"a\n\xff\xfe\n", "cannot be read|damaged|UTF8"),
        (",".join(f"c{n}" for n in range(2001)) + "\n", "2001 columns"),
        (b"PK\x03\x04\x00\x00", "cannot be read|no name|cannot be kept"),
    ],
)
def test_what_is_no_csv_file_is_refused_with_the_reason(read, content, reason):
    with pytest.raises(BadFile, match=reason):
        read(content)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1", b"id,x\n1,2\n"])
def test_what_is_no_parquet_file_is_refused(read, content):
    with pytest.raises(BadFile, match="cannot be read as PARQUET"):
        read(content, "PARQUET")


def test_parquet_keeps_its_types_where_tables_have_them(read):
    moment = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    given = pa.table(
        {
            "small": pa.array([1], pa.uint8()),
            "word": pa.array(["a"], pa.string()).dictionary_encode(),
            "fine": pa.array([moment], pa.timestamp("ns", tz="Europe/Rome")),
            "list": pa.array([[1.5]], pa.list_(pa.float64())),
            "nothing": pa.nulls(1),
        }
    )
    found = read(given, "PARQUET")
    kinds = ["int16", "string", "timestamp[us, tz=UTC]", "list<element: double>", "string"]
    assert [str(field.type).replace("item", "element") for field in found.schema] == kinds
    assert found["fine"].to_pylist() == [moment]


TARGET = pa.schema([("Id", pa.int64()), ("at", pa.timestamp("us", tz="UTC")), ("note", pa.string())])


def test_rows_for_a_table_go_into_its_columns_by_name(read):
    found = read("AT,id\n2030-01-01,1\n", target=TARGET)
    assert found.schema == TARGET
    assert found.to_pylist() == [{"Id": 1, "at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC), "note": None}]
    again = read(pa.table({"ID": pa.array([1], pa.int32())}), "PARQUET", target=TARGET)
    assert again.to_pylist() == [{"Id": 1, "at": None, "note": None}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,color\n1,red\n", "has no column 'color'"),
        ("id\n1\nx\n", "Column 'Id' must be int64; in the rows from 1 on"),
    ],
)
def test_what_does_not_fit_the_table_is_named(read, content, reason):
    with pytest.raises(BadFile, match=reason):
        read(content, target=TARGET)
