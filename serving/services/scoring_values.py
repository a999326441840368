"""A table's columns as a model takes them, and its predictions as a column: by the model's signature alone.

Imports the engine of tables, so whoever runs in a web process imports this when it is needed. What a signature calls
integer, long, float or double is predicted as long or double, so that versions of a model fit into one table.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

MOMENT = pa.timestamp("us", tz="UTC")
_TAKEN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "datetime": pa.timestamp("ns"),
}
_GIVEN = {**_TAKEN, "integer": pa.int64(), "float": pa.float64(), "datetime": MOMENT}


class Misfit(ValueError):
    """A value that does not fit; the text is for people."""


# --- What the model takes -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """An input of the model and the column that it is read from; `problem` is empty where they fit."""

    input: str
    type: str
    column: str = ""
    column_type: str = ""
    problem: str = ""
    arrow: pa.DataType | None = None
    """What the column is cast to; None leaves it as it is."""


def names_its_inputs(signature: Mapping[str, Any]) -> bool:
    """Whether the model's inputs are found by name; else columns are named for them, in order."""
    return any(spec.get("name") not in {None, ""} for spec in _specs(signature.get("inputs")))


def match_inputs(signature: Mapping[str, Any], schema: pa.Schema, chosen: Sequence[str]) -> list[Match]:
    """The columns that the model's inputs are read from: by name without regard to case, or those `chosen`, in order.

    Raises:
        Misfit: no match can be made at all.
    """
    specs = _specs(signature.get("inputs"))
    if not specs:
        raise Misfit("The model declares no inputs: log it with a signature.")
    columns = {name.lower(): schema.field(name) for name in schema.names}
    if names_its_inputs(signature):
        if chosen:
            raise Misfit("The model names its inputs: 'input_columns' is for models that do not.")
        found = [_match(spec, columns, str(spec.get("name"))) for spec in specs]
        return [match for match in found if match is not None]
    if not chosen:
        raise Misfit("The model does not name its inputs: name the columns for them, in order, as 'input_columns'.")
    specs = _by_place(specs, len(chosen))
    found = [_match({**spec, "required": True}, columns, name) for spec, name in zip(specs, chosen, strict=True)]
    return [match for match in found if match is not None]


def _by_place(specs: list[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """A tensor of several places takes a column for each."""
    if len(specs) == 1 and specs[0].get("type") == "tensor":
        dtype, shape = _tensor(specs[0])
        if len(shape) > 2:
            raise Misfit("The model takes tensors of more than two dimensions: no table has them.")
        places = shape[1] if len(shape) == 2 and shape[1] > 0 else count
        specs = [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1]}}] * places
    if len(specs) != count:
        raise Misfit(f"The model takes {len(specs)} inputs: 'input_columns' names {count}.")
    return specs


def _match(spec: Mapping[str, Any], columns: Mapping[str, pa.Field], name: str) -> Match | None:
    """None for an input that may be missing, and is."""
    shown = str(spec.get("type", "unknown"))
    shown = _tensor(spec)[0] if shown == "tensor" else shown
    field = columns.get(name.lower())
    if field is None:
        is_optional = spec.get("required") is False or spec.get("optional") is True
        problem = "The source has no column of that name."
        return None if is_optional else Match(str(spec.get("name") or name), shown, problem=problem)
    wanted = _taken(spec)
    problem = "" if wanted is None or castable(field.type, wanted) else f"{field.type} cannot become {shown}."
    return Match(str(spec.get("name") or field.name), shown, field.name, str(field.type), problem, wanted)


def _taken(spec: Mapping[str, Any]) -> pa.DataType | None:
    if spec.get("type") != "tensor":
        return _TAKEN.get(str(spec.get("type")))
    dtype, shape = _tensor(spec)
    try:
        arrow = pa.type_for_alias("bool_" if dtype == "bool" else dtype)
    except ValueError:
        return pa.string() if len(shape) < 2 else None
    return arrow if len(shape) < 2 else pa.list_(arrow) if len(shape) == 2 else None


def castable(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether there is a way from one type to the other; single values may still not fit."""
    try:
        pa.array([], given).cast(wanted)
    except pa.ArrowException:
        return False
    return True


def taken_batch(batch: pa.RecordBatch, matches: Sequence[Match]) -> pa.RecordBatch:
    """The rows with the model's inputs alone, in its types.

    Raises:
        Misfit: a value that does not fit.
    """
    arrays = []
    for match in matches:
        column = batch.column(batch.schema.get_field_index(match.column))
        try:
            arrays.append(column if match.arrow is None else column.cast(match.arrow))
        except pa.ArrowException as error:
            raise Misfit(
                f"Column '{match.column}' does not fit the model's {match.type}: {first_line(error)}"
            ) from error
    return pa.record_batch(arrays, names=[match.input for match in matches])


# --- What the model gives -----------------------------------------------------------------------------------------


def prediction_type(signature: Mapping[str, Any]) -> pa.DataType:
    """The type of the column of predictions: a value, a list, or a struct of several outputs; else JSON as text."""
    specs = _specs(signature.get("outputs"))
    if len(specs) == 1:
        return _given(specs[0])
    if not specs:
        return pa.string()
    return pa.struct([(str(spec.get("name") or place), _given(spec)) for place, spec in enumerate(specs)])


def _given(spec: Mapping[str, Any]) -> pa.DataType:
    kind = str(spec.get("type", ""))
    match kind:
        case "tensor":
            dtype, shape = _tensor(spec)
            found = _GIVEN[_kind_of(dtype)]
            for _ in shape[1:] if shape[1:] != [1] else []:
                found = pa.list_(found)
            return found
        case "array":
            return pa.list_(_given(_mapping(spec.get("items"))))
        case "map":
            return pa.map_(pa.string(), _given(_mapping(spec.get("values"))))
        case "object":
            properties = _mapping(spec.get("properties"))
            return pa.struct([(name, _given(_mapping(one))) for name, one in properties.items()])
    return _GIVEN.get(kind, pa.string())


def _kind_of(dtype: str) -> str:
    for beginning, kind in (("float", "double"), ("int", "long"), ("uint", "long"), ("bool", "boolean")):
        if dtype.startswith(beginning):
            return kind
    return "datetime" if dtype.startswith("datetime") else "string"


def prediction_array(predictions: Any, rows: int, type_: pa.DataType) -> pa.Array:
    """Predictions, as JSON gave them, one a row.

    Raises:
        Misfit: another number of them, or values that the model's signature does not promise.
    """
    is_columns = isinstance(predictions, dict) and all(isinstance(one, list) for one in predictions.values())
    if is_columns and predictions and {len(one) for one in predictions.values()} == {rows}:
        predictions = [dict(zip(predictions, row, strict=True)) for row in zip(*predictions.values(), strict=True)]
    if not isinstance(predictions, list) or len(predictions) != rows:
        count = len(predictions) if isinstance(predictions, list) else "one"
        raise Misfit(f"The model gives {count} predictions for {rows} rows.")
    try:
        return _array([_alone(one, type_) for one in predictions], type_)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Misfit(
            f"A prediction is not the {type_} that the model's signature promises: {first_line(error)}"
        ) from error


def _alone(value: Any, type_: pa.DataType) -> Any:
    """The value of the only output, out of a row or a list of one."""
    if isinstance(value, dict) and len(value) == 1 and not (pa.types.is_struct(type_) or pa.types.is_map(type_)):
        value = next(iter(value.values()))
    if isinstance(value, list) and len(value) == 1 and not (pa.types.is_list(type_) or pa.types.is_struct(type_)):
        value = value[0]
    return value


def _array(values: list[Any], type_: pa.DataType) -> pa.Array:
    """Nothing is cut on the way: what is no whole number is none."""
    if pa.types.is_struct(type_):
        return _struct_array(values, type_)
    if pa.types.is_list(type_):
        ends, flat = [0], list[Any]()
        for value in values:
            flat += value or []
            ends.append(len(flat))
        missing = pa.array([value is None for value in values])
        child = _array(flat, type_.value_type)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), child, type=type_, mask=missing)
    if pa.types.is_map(type_):
        return pa.array([None if value is None else list(value.items()) for value in values], type_)
    if pa.types.is_string(type_):
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return pa.array(texts, pa.string())
    if pa.types.is_binary(type_):
        return pa.array(
            [None if value is None else base64.b64decode(value, validate=True) for value in values], type_
        )
    if pa.types.is_timestamp(type_):
        return pa.array([None if value is None else datetime.fromisoformat(value) for value in values], type_)
    return pa.array(values).cast(type_)


def _struct_array(values: list[Any], type_: pa.DataType) -> pa.Array:
    fields = [type_.field(place) for place in range(type_.num_fields)]
    missing = pa.array([value is None for value in values])
    children = []
    for place, field in enumerate(fields):
        part = [
            None if one is None else one.get(field.name) if isinstance(one, Mapping) else one[place] for one in values
        ]
        children.append(_array(part, field.type))
    return pa.StructArray.from_arrays(children, fields=fields, mask=missing)


# --- Signatures ---------------------------------------------------------------------------------------------------


def _specs(part: Any) -> list[Mapping[str, Any]]:
    entries = [part] if isinstance(part, Mapping) else part
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tensor(spec: Mapping[str, Any]) -> tuple[str, list[int]]:
    tensor = _mapping(spec.get("tensor-spec"))
    return str(tensor.get("dtype", "")), [int(size) for size in tensor.get("shape") or []]


def first_line(error: Exception) -> str:
    """What an engine says, without its details."""
    return str(error).partition("\n")[0][:300]
