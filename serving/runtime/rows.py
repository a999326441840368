"""The fast way from a body to a data frame, for the one shape that almost all requests have.

It makes exactly the frame that MLflow's parsing and schema enforcement would make: same values, types, index, order
of columns and memory layout. Whatever is unusual in the least gives None, and MLflow's own code takes over, errors
included. A model's signature decides once, in `RowReader.for_schema`, whether there is a fast way at all.
"""

from __future__ import annotations

import json
from typing import Any

_TYPES: dict[str, tuple[frozenset[type], str]] = {
    # What JSON may hold in a column, all rows of it being of these types, and the type of the column in the frame.
    "double": (frozenset({int, float}), "float64"),
    "float": (frozenset({float}), "float32"),
    "long": (frozenset({int}), "int64"),
    "integer": (frozenset({int}), "int32"),
    "boolean": (frozenset({bool}), "bool"),
    "string": (frozenset({str}), ""),
}
_INT32 = 2**31
_FORMATS = ("dataframe_records", "dataframe_split", "instances", "inputs")
_OTHER_FORMS = ("params", "messages", "prompt", "input", "stream", "signature_name")
_SPLIT_KEYS = {"columns", "data"}


class RowReader:
    """Reads rows of the columns that a signature names, all of them plain and required."""

    def __init__(self, columns: list[tuple[str, str]]) -> None:
        self.names = [name for name, _ in columns]
        self._types = [_TYPES[kind] for _, kind in columns]
        self._name_set = set(self.names)
        self._width = len(columns)

    @classmethod
    def for_schema(cls, schema: Any) -> RowReader | None:
        """A reader for a schema of MLflow, or None where MLflow must read."""
        try:
            if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
                return None
            columns = []
            for column in schema.inputs:
                kind = getattr(column.type, "name", "")
                if kind not in _TYPES or not getattr(column, "required", True):
                    return None
                columns.append((column.name, kind))
        except AttributeError:
            return None
        return cls(columns) if len({name for name, _ in columns}) == len(columns) else None

    def rows(self, body: bytes) -> list[Any] | None:
        """The rows of a body as lists in the order of the signature. None: MLflow must read it."""
        try:
            parsed = json.loads(body)
        except ValueError:
            return None
        if type(parsed) is not dict or any(key in parsed for key in _OTHER_FORMS):
            return None
        found = [key for key in _FORMATS if key in parsed]
        if found == ["dataframe_split"]:
            return self._split(parsed["dataframe_split"])
        if found == ["dataframe_records"]:
            return self._records(parsed["dataframe_records"])
        return None

    def frame(self, rows: list[Any]) -> Any:
        """The data frame of rows that `rows` gave, of one body or of many. None: MLflow must read each body."""
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {}
        for name, (allowed, kind), values in zip(self.names, self._types, zip(*rows)):  # noqa: B905 — newer than the oldest interpreter
            if not allowed.issuperset(map(type, values)):
                return None
            try:
                if kind == "int32":
                    if not all(-_INT32 <= value < _INT32 for value in values):
                        return None
                    columns[name] = np.array(values, dtype=np.int32)
                elif kind == "float32":
                    columns[name] = np.array(values, dtype=np.float64).astype(np.float32)
                elif kind:
                    columns[name] = np.array(values, dtype=kind)
                else:
                    columns[name] = list(values)
            except (OverflowError, ValueError):
                return None
        return pd.DataFrame(columns)

    def _split(self, split: Any) -> list[Any] | None:
        if type(split) is not dict or split.keys() != _SPLIT_KEYS:
            return None
        names, data = split["columns"], split["data"]
        if type(names) is not list or type(data) is not list or not data:
            return None
        width = self._width
        if not all(type(row) is list and len(row) == width for row in data):
            return None
        if names == self.names:
            return data
        if len(names) != width or not all(type(name) is str for name in names) or set(names) != self._name_set:
            return None
        order = [names.index(name) for name in self.names]
        return [[row[position] for position in order] for row in data]

    def _records(self, records: Any) -> list[Any] | None:
        if type(records) is not list or not records:
            return None
        names, expected = self.names, self._name_set
        if not all(type(record) is dict and record.keys() == expected for record in records):
            return None
        return [[record[name] for name in names] for record in records]
