"""Files that become rows: CSV and Parquet, read piece by piece in the confined process. Nothing in them is believed.

A CSV file says nothing of types: a first walk finds for each column the narrowest that all its values have, and a
second one converts. Where rows go into a table that is there, its types count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

MAX_COLUMNS = 2000
_BLOCK_BYTES = 4 * 1024**2
_BATCH_ROWS = 10_000
_NULLS = ["", "NULL", "null", "\\N"]
_LEADING_ZERO = r"^\s*[+-]?0[0-9]+\s*$"
_MOMENT = pa.timestamp("us", tz="UTC")
_WIDER: dict[str, tuple[str, ...]] = {
    "": ("BOOLEAN", "LONG", "DOUBLE", "DATE", "TIMESTAMP", "STRING"),
    "BOOLEAN": ("STRING",),
    "LONG": ("DOUBLE", "STRING"),
    "DOUBLE": ("STRING",),
    "DATE": ("TIMESTAMP", "STRING"),
    "TIMESTAMP": ("STRING",),
}
"""What a column may become when a value does not have the type that all before it had."""
_TYPES: dict[str, pa.DataType] = {
    "": pa.string(),
    "BOOLEAN": pa.bool_(),
    "LONG": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": _MOMENT,
    "STRING": pa.string(),
}


class BadFile(ValueError):
    """The file cannot become rows; the text is for who sent it."""


@dataclass(frozen=True)
class Upload:
    """Columns, and the rows as they come."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def open_upload(path: str, *, form: str, target: pa.Schema | None = None) -> Upload:
    """The rows of a file, in the columns of `target` where rows go into a table that is there.

    Raises:
        BadFile: no such file as was said, a column that the table lacks, or a value that does not fit; also while the
            rows are walked over.
    """
    try:
        return _open_parquet(path, target) if form == "PARQUET" else _open_csv(path, target)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadFile(_in_words(error, form)) from error


def _in_words(error: Exception, form: str) -> str:
    text = str(error).partition("\n")[0].replace("CSV parse error: ", "")[:300]
    return f"The file cannot be read as {form}: {text}"


def _check_names(names: list[str]) -> None:
    if not names or len(names) > MAX_COLUMNS:
        raise BadFile(f"The file has {len(names)} columns: 1 to {MAX_COLUMNS} can be taken.")
    for position, name in enumerate(names):
        if not name.strip() or len(name) > 255 or "\x00" in name:
            raise BadFile(f"Column {position + 1} has no name that can be kept: name every column in the first line.")
    lower = [name.lower() for name in names]
    twice = next((name for name in names if lower.count(name.lower()) > 1), "")
    if twice:
        raise BadFile(f"Two columns are named '{twice}'.")


# --- CSV ----------------------------------------------------------------------------------------------------------


def _open_csv(path: str, target: pa.Schema | None) -> Upload:
    names = _header(path)
    _check_names(names)
    if target is not None:
        return _into(target, names, lambda: _csv_batches(path, names), _typed)
    kinds = _kinds(path, names)
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in zip(names, kinds, strict=True)])
    return Upload(schema, _converted(_csv_batches(path, names), schema, _typed, list(range(len(names)))))


def _header(path: str) -> list[str]:
    if not Path(path).stat().st_size:
        raise BadFile("The file is empty: the first line of a CSV file names the columns.")
    with csv.open_csv(path, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES), parse_options=_PARSE) as reader:
        return [name.removeprefix("\ufeff") for name in reader.schema.names]


_PARSE = csv.ParseOptions(newlines_in_values=True)


def _csv_batches(path: str, names: list[str]) -> Iterator[pa.RecordBatch]:
    """All values as text."""
    read = csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=names, skip_rows=1)
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=_NULLS, strings_can_be_null=True
    )
    with csv.open_csv(path, read_options=read, parse_options=_PARSE, convert_options=convert) as reader:
        yield from reader


def _kinds(path: str, names: list[str]) -> list[str]:
    kinds = [""] * len(names)
    for batch in _csv_batches(path, names):
        for position, column in enumerate(batch.columns):
            if kinds[position] != "STRING" and column.null_count < len(column):
                kinds[position] = _kind(column, kinds[position])
    return kinds


def _kind(column: pa.Array, so_far: str) -> str:
    for kind in (so_far, *_WIDER[so_far]) if so_far else _WIDER[""]:
        if kind == "STRING" or _has(column, kind):
            return kind
    return "STRING"


def _has(column: pa.Array, kind: str) -> bool:
    # Codes such as 00123 are no numbers.
    if kind in {"LONG", "DOUBLE"} and pc.any(pc.match_substring_regex(column, _LEADING_ZERO)).as_py():
        return False
    if kind == "BOOLEAN" and not pc.all(pc.is_in(pc.utf8_lower(column.drop_null()), _TRUTHS)).as_py():
        return False
    try:
        _typed(column, _TYPES[kind])
    except pa.ArrowException:
        return False
    return True


_TRUTHS = pa.array(["true", "false"])


def _typed(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Text as another type."""
    if pa.types.is_string(wanted) or pa.types.is_large_string(wanted):
        return pc.cast(column, wanted)
    column = pc.utf8_trim_whitespace(column)
    if pa.types.is_timestamp(wanted) and wanted.tz is not None:
        return _moments(column, wanted)
    if pa.types.is_boolean(wanted):
        return pc.cast(pc.utf8_lower(column), wanted)
    return pc.cast(column, wanted)


def _moments(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Moments with or without a zone; without one they are UTC."""
    try:
        return pc.cast(pc.cast(column, pa.timestamp("us")), wanted)
    except pa.ArrowException:
        return pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), wanted)


# --- Parquet ------------------------------------------------------------------------------------------------------


def _open_parquet(path: str, target: pa.Schema | None) -> Upload:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    _check_names(names)

    def batches() -> Iterator[pa.RecordBatch]:
        return iter(file.iter_batches(batch_size=_BATCH_ROWS))

    if target is not None:
        return _into(target, names, batches, _recast)
    schema = pa.schema([(field.name, kept_type(field.type)) for field in file.schema_arrow])
    return Upload(schema, _converted(batches(), schema, _recast, list(range(len(names)))))


def kept_type(arrow: pa.DataType) -> pa.DataType:
    """The type that a table can hold, for those that only Arrow has."""
    if pa.types.is_dictionary(arrow):
        return kept_type(arrow.value_type)
    if pa.types.is_unsigned_integer(arrow):
        return {8: pa.int16(), 16: pa.int32()}.get(arrow.bit_width, pa.int64())
    if pa.types.is_float16(arrow):
        return pa.float32()
    if pa.types.is_timestamp(arrow):
        return pa.timestamp("us", tz="UTC" if arrow.tz else None)
    if pa.types.is_date(arrow):
        return pa.date32()
    if pa.types.is_large_string(arrow) or pa.types.is_null(arrow) or pa.types.is_time(arrow):
        return pa.string()
    if pa.types.is_large_binary(arrow) or pa.types.is_fixed_size_binary(arrow):
        return pa.binary()
    if pa.types.is_duration(arrow) or pa.types.is_interval(arrow):
        raise BadFile("A column holds lengths of time, which tables cannot: make it a number.")
    return arrow


def _recast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(wanted):
        return pc.cast(column, wanted, safe=False)  # Finer than a microsecond is cut.
    return column if column.type == wanted else pc.cast(column, wanted)


# --- Both ---------------------------------------------------------------------------------------------------------

_Convert = Callable[[pa.Array, pa.DataType], pa.Array]


def _into(
    target: pa.Schema, names: list[str], batches: Callable[[], Iterator[pa.RecordBatch]], convert: _Convert
) -> Upload:
    """Rows in the columns of a table: by name, without regard to case; a column that is not given is NULL."""
    given = {name.lower(): position for position, name in enumerate(names)}
    unknown = [name for name in names if name.lower() not in {one.lower() for one in target.names}]
    if unknown:
        raise BadFile(f"The table has no column '{unknown[0]}': it has {', '.join(target.names[:20])}.")
    places = [given.get(name.lower(), -1) for name in target.names]
    return Upload(target, _converted(batches(), target, convert, places))


def _converted(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, convert: _Convert, places: list[int]
) -> Iterator[pa.RecordBatch]:
    row = 0
    try:
        for batch in batches:
            columns = []
            for field, place in zip(schema, places, strict=True):
                if place < 0:
                    columns.append(pa.nulls(batch.num_rows, field.type))
                    continue
                columns.append(_one(batch.column(place), field, convert, row))
            yield pa.record_batch(columns, schema=schema)
            row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise BadFile(f"The file breaks off or is damaged behind row {row}: {str(error)[:200]}") from error


def _one(column: pa.Array, field: pa.Field, convert: _Convert, row: int) -> pa.Array:
    try:
        return convert(column, field.type)
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadFile(
            f"Column '{field.name}' must be {field.type}; in the rows from {row + 1} on: {reason}"
        ) from error
