"""SQL expressions that users write: parsed, held against a closed vocabulary, and written anew for the engine.

The engine never sees a user's text. It gets what the checked tree generates: no comments, every identifier quoted,
and every column one of the table's own. There are no tables, queries, windows, or functions that are not named here,
so that a new construct is closed by default.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from monitoring.engine.spec import SpecError

LONGEST = 10_000
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]+)\s*\}\}")
_TOKEN = "mk__placeholder__"  # noqa: S105  A word of the expression, nobody's secret.

_PLAIN = frozenset(
    """
    Column Identifier Literal Boolean Null Paren Tuple Var DataType DataTypeParam Interval
    And Or Not Xor EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is In Between Like ILike Escape RegexpLike
    Add Sub Mul Div IntDiv Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    Case If Cast TryCast Coalesce Nullif Nvl2 Greatest Least
    Abs Ceil Floor Round Trunc Sqrt Cbrt Exp Ln Log Pow Sign Sin Cos Tan Asin Acos Atan Atan2 Degrees Radians Pi
    IsNan IsInf Lower Upper Trim Length Substring Left Right Concat StartsWith EndsWith Contains StrPosition
    Reverse Replace Year Quarter Month Week Day DayOfMonth DayOfWeek DayOfYear Hour Minute Second Date TimestampTrunc
    DateTrunc DateDiff TsOrDsToDate TimeStrToDate UnixSeconds Extract
    """.split()
)
_AGGREGATES = frozenset(
    """
    Avg Sum Count CountIf Min Max Stddev StddevPop StddevSamp Variance VariancePop Median Quantile ApproxQuantile
    PercentileCont PercentileDisc WithinGroup Order Ordered ApproxDistinct Distinct Corr CovarPop CovarSamp Skewness
    Kurtosis LogicalAnd LogicalOr Mode AnyValue ArgMax ArgMin Star Filter Where
    """.split()
)
_FUNCTIONS_OVER_ROWS = _AGGREGATES - frozenset("WithinGroup Order Ordered Distinct Star Filter Where".split())
_TYPES = frozenset(
    "BOOLEAN TINYINT SMALLINT INT BIGINT FLOAT DOUBLE DECIMAL TEXT VARCHAR DATE TIMESTAMP TIMESTAMPTZ TIMESTAMPNTZ "
    "TIMESTAMPLTZ INTERVAL".split()
)
_WORDS = re.compile(r"[\w $.-]*")


class Expression:
    """An expression that was found harmless: `sql` for the engine, `columns` that it reads, as in the table."""

    def __init__(self, sql: str, columns: frozenset[str], *, plain_column: str | None, aggregates: bool) -> None:
        self.sql = sql
        self.columns = columns
        self.plain_column = plain_column
        self.aggregates = aggregates


def of_column(name: str) -> Expression:
    """A column by its name, which need not be SQL."""
    sql = exp.column(exp.to_identifier(name, quoted=True)).sql(dialect="duckdb")
    return Expression(sql, frozenset([name]), plain_column=name, aggregates=False)


def parse(
    text: str,
    *,
    columns: Collection[str],
    field: str,
    placeholders: Mapping[str, str] | None = None,
    rows: Mapping[str, str] | None = None,
    aggregate: bool = False,
) -> Expression:
    """Check one expression.

    Args:
        text: as the user wrote it, in the Databricks dialect.
        columns: what it may read; found regardless of case.
        field: of the spec, for the error.
        placeholders: columns for {{name}}.
        rows: prefixes for {{name}} in `{{name}}.metric`: the column read is prefix + metric.
        aggregate: whether it may, and must, aggregate.

    Raises:
        SpecError: names what is refused.
    """
    return _Reader(columns, field, placeholders or {}, rows or {}).read(text, aggregate=aggregate)


class _Reader:
    def __init__(
        self, columns: Collection[str], field: str, placeholders: Mapping[str, str], rows: Mapping[str, str]
    ) -> None:
        self.names = {name.lower(): name for name in columns}
        self.exact = set(columns)
        self.field, self.placeholders, self.rows = field, placeholders, rows
        self.read_columns: set[str] = set()

    def error(self, message: str) -> SpecError:
        return SpecError(self.field, message)

    def read(self, text: str, *, aggregate: bool) -> Expression:
        if len(text) > LONGEST:
            raise self.error(f"The expression is longer than {LONGEST} characters.")
        filled = _PLACEHOLDER.sub(self._token, text)
        if "{{" in filled or "{%" in filled:
            raise self.error(f"'{text}' has a template that is not a placeholder: write {{{{input_column}}}}.")
        try:
            trees = sqlglot.parse(f"SELECT {filled}", read="databricks")
        except (SqlglotError, RecursionError) as error:
            raise self.error(f"'{text}' is no SQL expression: {str(error).splitlines()[0]}") from error
        tree = trees[0] if len(trees) == 1 else None
        if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
            raise self.error(f"'{text}' is not one SQL expression.")
        if any(value for name, value in tree.args.items() if name != "expressions"):
            raise self.error(f"'{text}' is more than an expression: leave out FROM, WHERE and the like.")
        node = tree.expressions[0]
        return self._checked(node.unalias() if isinstance(node, exp.Alias) else node, text, aggregate=aggregate)

    def _token(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in self.placeholders and name not in self.rows:
            known = ", ".join(f"{{{{{each}}}}}" for each in sorted({*self.placeholders, *self.rows}))
            raise self.error(f"{{{{{name}}}}} means nothing here" + (f": write one of {known}." if known else "."))
        return f"{_TOKEN}{name}"

    def _checked(self, tree: Any, text: str, *, aggregate: bool) -> Expression:
        allowed = _PLAIN | _AGGREGATES if aggregate else _PLAIN
        try:
            for node in list(tree.walk()):
                self._check(node, allowed)
            aggregates = any(type(node).__name__ in _FUNCTIONS_OVER_ROWS for node in tree.walk())
            tree = tree.transform(self._resolved)
        except RecursionError as error:
            raise self.error("The expression is nested too deeply.") from error
        if aggregate and not aggregates:
            raise self.error(f"'{text}' does not aggregate: wrap its columns in a function such as avg.")
        plain = tree.name if isinstance(tree, exp.Column) else None
        try:
            sql = tree.sql(dialect="duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
        except (SqlglotError, RecursionError) as error:
            raise self.error(f"'{text}' cannot be computed here: {error}") from error
        return Expression(sql, frozenset(self.read_columns), plain_column=plain, aggregates=aggregates)

    def _check(self, node: Any, allowed: frozenset[str]) -> None:
        name = type(node).__name__
        if name not in allowed:
            shown = node.name if isinstance(node, exp.Anonymous) else name
            raise self.error(f"'{shown}' is not supported in expressions of monitors.")
        if isinstance(node, exp.DataType) and node.this.name not in _TYPES:
            raise self.error(f"The type {node.this.name} is not supported in expressions of monitors.")
        if isinstance(node, exp.Literal | exp.Identifier):
            return
        for value in node.args.values():
            if isinstance(value, str) and not _WORDS.fullmatch(value):
                raise self.error(f"'{value}' is not supported in expressions of monitors.")

    def _resolved(self, node: Any) -> Any:
        if isinstance(node, exp.Quantile):  # percentile() interpolates.
            return exp.Anonymous(this="quantile_cont", expressions=[node.this, node.args["quantile"]])
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return node
        name, prefix = self._name(node.name), ""
        if node.table:
            row = self.rows.get(node.table.removeprefix(_TOKEN))
            if row is None or not node.table.startswith(_TOKEN) or node.args.get("db"):
                raise self.error(f"'{node.sql()}' is no column of the table.")
            prefix = row
        elif self.rows:
            raise self.error(f"'{name}' belongs to neither side: write {{{{current_df}}}}.{name}.")
        wanted = prefix + name
        found = wanted if wanted in self.exact else self.names.get(wanted.lower())
        if found is None:
            raise self.error(f"There is no column '{name}' to compute with.")
        self.read_columns.add(found)
        return exp.column(exp.to_identifier(found, quoted=True))

    def _name(self, name: str) -> str:
        return self.placeholders[name.removeprefix(_TOKEN)] if name.startswith(_TOKEN) else name
