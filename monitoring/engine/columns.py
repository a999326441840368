"""What kind of statistics a column has, and its values as numpy arrays."""

from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.engine.windows import MICROSECONDS

LONGEST_TEXT = 256
"""Longer texts are told apart by their beginning and their hash."""


class ColumnKind(StrEnum):
    """How a column is profiled."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TEMPORAL = "temporal"
    OPAQUE = "opaque"


def kind_of(type_: Any) -> ColumnKind:
    """The kind of an Arrow type."""
    if pa.types.is_dictionary(type_):
        return kind_of(type_.value_type)
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return ColumnKind.NUMERIC
    if is_text(type_) or pa.types.is_boolean(type_):
        return ColumnKind.CATEGORICAL
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return ColumnKind.TEMPORAL
    return ColumnKind.OPAQUE


def is_text(type_: Any) -> bool:
    """Whether the type is a string."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


_SPARK = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "uint8": "smallint",
    "uint16": "int", "uint32": "bigint", "uint64": "decimal(20,0)", "halffloat": "float", "float": "float",
    "double": "double", "date32[day]": "date", "date64[ms]": "date",
}  # fmt: skip


def spark_name(type_: Any) -> str:
    """The type as Spark spells it."""
    if pa.types.is_dictionary(type_):
        return spark_name(type_.value_type)
    if is_text(type_):
        return "string"
    if pa.types.is_timestamp(type_):
        return "timestamp" if type_.tz else "timestamp_ntz"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if pa.types.is_struct(type_):
        inside = (type_.field(position) for position in range(type_.num_fields))
        return f"struct<{','.join(f'{field.name}:{spark_name(field.type)}' for field in inside)}>"
    if pa.types.is_map(type_):
        return f"map<{spark_name(type_.key_type)},{spark_name(type_.item_type)}>"
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return f"array<{spark_name(type_.value_type)}>"
    return _SPARK.get(str(type_), "binary")


class Values:
    """A numeric or temporal column: doubles with NaN for null, and which are null (None where none is)."""

    def __init__(self, column: Any) -> None:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        self.nulls: npt.NDArray[np.bool_] | None = None
        self.integers: npt.NDArray[np.int64] | None = None
        if array.null_count:
            self.nulls = np.asarray(pc.is_null(array).to_numpy(zero_copy_only=False))
        if kind_of(array.type) is ColumnKind.TEMPORAL:
            array = pc.cast(times_of(array), pa.float64(), safe=False)
            array = pc.divide(array, float(MICROSECONDS))
        elif pa.types.is_integer(array.type) and _beyond_doubles(array):
            self.integers = np.asarray(pc.fill_null(array, 0).to_numpy(zero_copy_only=False)).astype(np.int64)
        if not pa.types.is_float64(array.type):
            array = pc.cast(array, pa.float64(), safe=False)
        self.floats: npt.NDArray[np.float64] = array.to_numpy(zero_copy_only=False)


def _beyond_doubles(array: Any) -> bool:
    if array.type.bit_width < 64 or len(array) == array.null_count:
        return False
    ends = pc.min_max(array).as_py()
    return bool(ends["max"] > 2**53 or ends["min"] < -(2**53))


def times_of(array: Any) -> Any:
    """A timestamp or date column as microseconds (int64, nulls stay)."""
    type_ = array.type
    if pa.types.is_date(type_):
        array = pc.cast(array, pa.timestamp("s"))
        type_ = array.type
    return pc.cast(pc.cast(array, pa.timestamp("us", tz=type_.tz), safe=False), pa.int64())


def texts(array: Any) -> tuple[npt.NDArray[np.int64], Any]:
    """A categorical array as codes, -1 for null, into a dictionary of texts."""
    if pa.types.is_boolean(array.type):
        codes = pc.fill_null(pc.cast(array, pa.int8()), -1)
        return np.asarray(codes.to_numpy(zero_copy_only=False)).astype(np.int64), pa.array(["false", "true"])
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    codes = pc.fill_null(pc.cast(array.indices, pa.int64()), -1)
    return np.asarray(codes.to_numpy(zero_copy_only=False)), array.dictionary


def as_texts(array: Any) -> Any:
    """Any column as texts, the way slice values, labels and model ids are written: 1.0 is "1", true is "true"."""
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return array if is_text(type_.value_type) else as_texts(pc.cast(array, type_.value_type))
    if is_text(type_):
        return array
    if pa.types.is_floating(type_):
        whole = pc.equal(array, pc.floor(array))
        small = pc.less(pc.abs(array), 2.0**53)
        integral = pc.fill_null(pc.and_(whole, small), fill_value=False)
        as_integers = pc.cast(pc.cast(pc.if_else(integral, array, 0.0), pa.int64()), pa.string())
        return pc.if_else(integral, as_integers, pc.cast(array, pa.string()))
    return pc.cast(array, pa.string())
