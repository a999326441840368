"""Requests and answers as rows of one column per input and prediction, by the model's signature alone.

Nothing of the model's code is needed, so this may run in any worker. What a signature calls integer, long, float or
double is long or double here, so that versions of a model fit into one table.
"""

import base64
import binascii
import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.services.delta_tables import Column, storable

FACTS: tuple[Column, ...] = (
    Column("databricks_request_id", "string", "Id of the request, as in the payload table."),
    Column("client_request_id", "string", "What the caller sent as client_request_id."),
    Column("row_index", "integer", "Which row of the request, from 0."),
    Column("timestamp", "timestamp", "When the request was received."),
    Column("status_code", "integer", "HTTP status of the answer."),
    Column("model_name", "string", "Full name of the model that answered."),
    Column("model_version", "string", "Its version."),
    Column("served_entity", "string", "Name of the served entity that answered."),
)
"""What every unpacked table begins with."""
PREDICTION, LABEL = "prediction", "label"
JSON_TEXT = "string"
_RESERVED = {*(column.name for column in FACTS), LABEL}
_PREDICTION_NAMES = ("prediction", "predictions", "predicted", "label", "class")
"""Which of several outputs is the prediction; the first that there is."""
_MOST_PLACES = 256
"""Vectors up to this length become one column a place."""
_TYPES = {
    "boolean": "boolean",
    "integer": "long",
    "long": "long",
    "float": "double",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "datetime": "timestamp",
}
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_SUM_TOLERANCE = 1e-3
_LONG = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unparsable(Exception):
    """A request that is none of the forms which a model takes."""


@dataclass(frozen=True)
class _Part:
    """One input or output of a signature, and the columns that it becomes: one, or one a place of a vector."""

    name: str
    columns: tuple[Column, ...]
    is_vector: bool = False


@dataclass(frozen=True)
class Unpacking:
    """How requests to one version of a model become rows."""

    inputs: tuple[_Part, ...]
    outputs: tuple[_Part, ...]
    is_named: bool
    """Whether the signature names its inputs."""
    is_ranked: bool
    """Whether the only output is a vector: its greatest place is the prediction, when it is a distribution."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of inputs and predictions, in the signature's order."""
        ranked = (Column(PREDICTION, "long", "Place of the greatest, where they are probabilities."),)
        outputs = [column for part in self.outputs for column in part.columns]
        return (
            *(column for part in self.inputs for column in part.columns),
            *(ranked if self.is_ranked else ()),
            *outputs,
        )

    def rows(self, *, request: bytes | str | None, response: bytes | str | None, content_type: str) -> "list[Values]":
        """The values of each row of a request by column, as JSON gave them; `fitted` gives them a type.

        Raises:
            Unparsable: the request is none of the documented forms.
        """
        rows = self._input_rows(request, content_type)
        predictions = _predictions(response, len(rows))
        return [
            {**row, **(self._output_values(prediction) if prediction is not _NOTHING else {})}
            for row, prediction in zip(rows, predictions, strict=True)
        ]

    def _input_rows(self, request: bytes | str | None, content_type: str) -> "list[Values]":
        if request is None:
            raise Unparsable
        text = request.decode(errors="replace") if isinstance(request, bytes) else request
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "text/csv":
            return [self._by_name(row) for row in csv.DictReader(io.StringIO(text))]
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unparsable from error
        given = [form for form in _FORMS if isinstance(body, dict) and form in body]
        if len(given) != 1:
            raise Unparsable
        return self._of_form(given[0], body[given[0]])

    def _of_form(self, form: str, data: Any) -> "list[Values]":
        if form == "dataframe_split" and isinstance(data, dict) and isinstance(data.get("data"), list):
            names = data.get("columns")
            rows = data["data"]
            if isinstance(names, list) and self.is_named:
                return [self._by_name(dict(zip(map(str, names), _listed(row), strict=False))) for row in rows]
            return [self._by_place(row) for row in rows]
        if form == "inputs" and isinstance(data, dict):
            return self._of_columns(data)
        if form in {"dataframe_records", "instances", "inputs"} and isinstance(data, list):
            return [self._by_name(row) if isinstance(row, dict) else self._by_place(row) for row in data]
        if form in {"instances", "inputs"} and not isinstance(data, dict | list) and data is not None:
            return [self._by_place(data)]
        raise Unparsable

    def _of_columns(self, data: Mapping[str, Any]) -> "list[Values]":
        """Column by column, each a list; scalars are one row."""
        lengths = {len(values) for values in data.values() if isinstance(values, list)}
        if not lengths:
            return [self._by_name(data)]
        if len(lengths) > 1:
            raise Unparsable
        columns = {name: values for name, values in data.items() if isinstance(values, list)}
        return [
            self._by_name({name: values[place] for name, values in columns.items()}) for place in range(lengths.pop())
        ]

    def _by_name(self, row: Mapping[str, Any]) -> "Values":
        if not self.is_named:
            return self._by_place(list(row.values()))
        return _merged(_spread(part, row[part.name]) for part in self.inputs if part.name in row)

    def _by_place(self, row: Any) -> "Values":
        if len(self.inputs) == 1:
            part = self.inputs[0]
            alone = row[0] if isinstance(row, list) and len(row) == 1 and not part.is_vector else row
            return _spread(part, alone)
        return _merged(_spread(part, value) for part, value in zip(self.inputs, _listed(row), strict=False))

    def _output_values(self, prediction: Any) -> "Values":
        if isinstance(prediction, dict):
            if len(self.outputs) == 1 and len(prediction) == 1:
                return _spread(self.outputs[0], next(iter(prediction.values())))
            return _merged(_spread(part, prediction[part.name]) for part in self.outputs if part.name in prediction)
        if len(self.outputs) != 1:
            return _merged(
                _spread(part, value) for part, value in zip(self.outputs, _listed(prediction), strict=False)
            )
        part = self.outputs[0]
        if not part.is_vector and isinstance(prediction, list) and len(prediction) == 1:
            prediction = prediction[0]
        values = _spread(part, prediction)
        if self.is_ranked and (place := _greatest(prediction)) is not None:
            values[PREDICTION] = place
        return values


Values = dict[str, Any]
_NOTHING = object()


def unpacking_of(signature: Mapping[str, Any]) -> Unpacking:
    """How to unpack by a signature as versions keep it; parts that cannot be read are left out."""
    inputs, outputs = _specs(signature.get("inputs")), _specs(signature.get("outputs"))
    is_named = any(spec.get("name") not in {None, ""} for spec in inputs)
    taken: set[str] = set()
    found_inputs = tuple(
        _part(spec, column=_input_column(_name(spec), place, len(inputs)), taken=taken)
        for place, spec in enumerate(inputs)
    )
    main = next((name for name in _PREDICTION_NAMES if name in {_name(spec).lower() for spec in outputs}), "")
    taken_outputs: set[str] = set()
    found_outputs = tuple(
        _part(
            spec,
            column=PREDICTION
            if len(outputs) == 1 or _name(spec).lower() == main
            else _output_column(_name(spec), place),
            taken=taken_outputs,
        )
        for place, spec in enumerate(outputs)
    )
    is_ranked = len(found_outputs) == 1 and len(found_outputs[0].columns) > 1
    return Unpacking(found_inputs, found_outputs, is_named, is_ranked)


def label_type(columns: Iterable[Column]) -> str:
    """The type that labels have beside predictions of these columns."""
    types = {column.name: column.type for column in columns if column.name.startswith(PREDICTION)}
    if PREDICTION in types:
        return types[PREDICTION]
    return "double" if types and set(types.values()) <= {"double", "long"} else "string"


def united(columns: Iterable[Column]) -> list[Column]:
    """Columns of several versions as one table holds them: long and double are double, other mixtures are text."""
    found: dict[str, Column] = {}
    for column in columns:
        known = found.get(column.name.lower())
        if known is None:
            found[column.name.lower()] = column
        elif known.type != column.type:
            type_ = "double" if {known.type, column.type} == {"long", "double"} else "string"
            found[column.name.lower()] = Column(known.name, type_, known.comment)
    return list(found.values())


def fitted(value: Any, type_: str) -> Any:
    """A value of JSON or CSV as a column of that type holds it; None where it does not fit."""
    if value is None:
        return None
    try:
        return _FITTING[type_](value)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        return None


# --- Signatures ---------------------------------------------------------------------------------------------------


def _specs(schema: Any) -> list[Mapping[str, Any]]:
    entries = [schema] if isinstance(schema, Mapping) else schema
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _name(spec: Mapping[str, Any]) -> str:
    name = spec.get("name")
    return "" if name is None else str(name)


def _input_column(name: str, place: int, count: int) -> str:
    if not name:
        return "input" if count == 1 else f"input_{place}"
    clashes = name.lower() in _RESERVED or name.lower().startswith(PREDICTION)
    return f"input_{name}" if clashes else name


def _output_column(name: str, place: int) -> str:
    return f"{PREDICTION}_{name or place}"


def _part(spec: Mapping[str, Any], *, column: str, taken: set[str]) -> _Part:
    type_, places = _shape(spec)
    names = [column] if places is None else [f"{column}_{place}" for place in range(places)]
    free = []
    for name in names:
        chosen, number = name, 2
        while chosen.lower() in taken:  # A Delta table does not tell X from x.
            chosen, number = f"{name}_{number}", number + 1
        taken.add(chosen.lower())
        free.append(Column(chosen, type_))
    return _Part(_name(spec), tuple(free), is_vector=places is not None)


def _shape(spec: Mapping[str, Any]) -> tuple[str, int | None]:
    """The type of the columns, and how many places a vector has."""
    kind = str(spec.get("type", ""))
    if kind != "tensor":
        return _TYPES.get(kind, JSON_TEXT), None
    tensor = spec.get("tensor-spec")
    tensor = tensor if isinstance(tensor, Mapping) else {}
    type_, shape = _dtype(str(tensor.get("dtype", ""))), list(tensor.get("shape") or [])
    match shape:
        case [] | [_]:
            return type_, None
        case [_, 1]:
            return type_, None
        case [_, int(places)] if 1 < places <= _MOST_PLACES:
            return type_, places
    return JSON_TEXT, None


def _dtype(dtype: str) -> str:
    for beginning, type_ in (("float", "double"), ("int", "long"), ("uint", "long"), ("bool", "boolean")):
        if dtype.startswith(beginning):
            return type_
    return "timestamp" if dtype.startswith("datetime") else "string"


# --- Values -------------------------------------------------------------------------------------------------------


def _listed(row: Any) -> Sequence[Any]:
    return row if isinstance(row, list) else [row]


def _merged(parts: Iterable[Values]) -> Values:
    return {name: value for part in parts for name, value in part.items()}


def _spread(part: _Part, value: Any) -> Values:
    if not part.is_vector:
        return {part.columns[0].name: value}
    return {column.name: one for column, one in zip(part.columns, _listed(value), strict=False)}


def _predictions(response: bytes | str | None, count: int) -> list[Any]:
    """The prediction of each row; `_NOTHING` where the answer holds none."""
    nothing = [_NOTHING] * count
    if response is None:
        return nothing
    try:
        answer = json.loads(response)
    except (ValueError, RecursionError):
        return nothing
    if not isinstance(answer, dict) or "predictions" not in answer:
        return nothing
    found = answer["predictions"]
    if isinstance(found, dict) and found and all(isinstance(v, list) and len(v) == count for v in found.values()):
        return [{name: values[place] for name, values in found.items()} for place in range(count)]
    if isinstance(found, list) and len(found) == count:
        return found
    return [found] if count == 1 else nothing


def _greatest(values: Any) -> int | None:
    """The place of the greatest of values that are probabilities."""
    if not isinstance(values, list) or not all(type(value) in {int, float} for value in values):
        return None
    if not all(0 <= value <= 1 for value in values) or abs(sum(values) - 1) > _SUM_TOLERANCE:
        return None
    return max(range(len(values)), key=values.__getitem__)


def _text(value: Any) -> str:
    return str(
        storable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    )


def _whole(value: Any) -> int | None:
    if isinstance(value, str):
        value = float(value) if any(mark in value for mark in ".eE") else int(value)
    if isinstance(value, float) and not value.is_integer():
        return None
    number = int(value)
    return number if -_LONG <= number < _LONG else None


def _real(value: Any) -> float:
    return float(value)


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    return bool(value) if value in (0, 1) else None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Numbers are nanoseconds since 1970, as the scoring server of MLflow reads them.
        return _EPOCH + timedelta(microseconds=value / 1000) if math.isfinite(value) else None
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _octets(value: Any) -> bytes:
    return base64.b64decode(value, validate=True)


_FITTING: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "long": _whole,
    "integer": _whole,
    "double": _real,
    "boolean": _truth,
    "timestamp": _moment,
    "binary": _octets,
}
