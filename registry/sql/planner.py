"""Queries: parsed, checked against the vocabulary, and written anew for the engine over placeholders.

The engine never sees the text that a client sent. It gets what the checked tree generates: without comments, every
identifier quoted, and every table a placeholder that stands for one governed table or for a CTE of the query itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from registry.errors import InvalidParameter
from registry.sql.bounds import time_bounds
from registry.sql.statements import ColumnSpec, CreateTable, Data, Insert, Name, Query, Reference
from registry.sql.tokens import check_parts, missing_parameter, syntax_error, tokenize
from registry.sql.vocabulary import ALLOWED, ANONYMOUS, ARGUMENTS, PLAIN_WORDS, TYPES, VERBATIM

DIALECT = "databricks"
ENGINE = "duckdb"
TABLE_PREFIX = "mk_t"
_CTE_PREFIX = "mk_c"
_INCOMPLETE = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]+'>")
"""How the parser says that a function or clause is given too little: in names of its own classes."""


@dataclass(frozen=True)
class Parameter:
    """A value for a named marker; None is NULL."""

    value: str | None
    type: str = "STRING"


def plan(text: str, *, user: str, parameters: Mapping[str, Parameter] | None = None) -> Data:
    """What a statement over the rows of tables asks for, checked.

    Raises:
        InvalidParameter: it cannot be parsed, or holds anything that is not known to be harmless.
    """
    tokenize(text)  # Refuses more than one statement.
    try:
        trees = [tree for tree in sqlglot.parse(text, read=DIALECT) if tree is not None]
        if len(trees) != 1:
            raise syntax_error("Send one statement at a time.")
        return _data(trees[0], user=user, parameters=parameters or {})
    except SqlglotError as error:
        raise syntax_error(_first_line(str(error))) from error
    except RecursionError as error:
        raise syntax_error("The statement is nested too deeply.") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The parser takes some functions apart without looking whether their arguments are there.
        raise syntax_error("A function is given fewer arguments, or others, than it takes.") from error


def _first_line(message: str) -> str:
    line = _INCOMPLETE.sub("An argument or a part is missing", message.strip().partition("\n")[0])
    return line if line.endswith(".") else f"{line}."


def _data(tree: Any, *, user: str, parameters: Mapping[str, Parameter]) -> Data:
    match tree:
        case exp.Create():
            return _create(tree, user=user, parameters=parameters)
        case exp.Insert():
            return _insert(tree, user=user, parameters=parameters)
        case exp.Select() | exp.SetOperation() | exp.Subquery() | exp.Values():
            return _query(tree, user=user, parameters=parameters)
    raise refused(f"{type(tree).__name__.upper()} as a statement")


def refused(what: str) -> InvalidParameter:
    """The error of something that is not in the vocabulary."""
    return InvalidParameter(f"[UNSUPPORTED_FEATURE] {what} is not supported here.", field="statement")


# --- SELECT -----------------------------------------------------------------------------------------------------


def _query(tree: Any, *, user: str, parameters: Mapping[str, Parameter]) -> Query:
    tree = tree.transform(lambda node: _filled_in(node, user=user, parameters=parameters))
    check(tree)
    tables = _Tables()
    tables.replace(tree, {})
    _drop_qualifiers(tree, tables.found)
    sql = tree.sql(
        dialect=ENGINE, identify=True, comments=False, normalize_functions=False, unsupported_level=ErrorLevel.RAISE
    )
    return Query(sql, tuple(tables.found))


def _filled_in(node: Any, *, user: str, parameters: Mapping[str, Parameter]) -> Any:
    """Values in place of markers, the caller's name in place of current_user()."""
    match node:
        case exp.Placeholder():
            name = str(node.this or "")
            if name not in parameters:
                raise missing_parameter(name)
            return _value(parameters[name])
        case exp.CurrentUser() | exp.SessionUser():
            return exp.Literal.string(user)
        case exp.RawString():
            return exp.Literal.string(node.this)
    return node


def _value(parameter: Parameter) -> Any:
    if parameter.value is None:
        return exp.Null()
    try:
        type_ = exp.DataType.build(parameter.type, dialect=DIALECT)
    except SqlglotError as error:
        raise syntax_error(f"'{parameter.type}' is no type of a parameter.") from error
    return exp.Cast(this=exp.Literal.string(parameter.value), to=type_)


def check(tree: Any) -> None:
    """Refuse whatever is not in the vocabulary.

    Raises:
        InvalidParameter: names what is refused.
    """
    for node in tree.walk():
        name = type(node).__name__
        if name not in ALLOWED and not (isinstance(node, exp.Anonymous) and str(node.this).lower() in ANONYMOUS):
            raise refused(_what(node, name))
        allowed = ARGUMENTS.get(type(node))
        for key, value in node.args.items():
            if allowed is not None and value and key not in allowed:
                raise refused(f"{key.strip('_').replace('_', ' ').upper()} in a {name.upper()}")
            for text in _texts(value):
                if not (isinstance(node, VERBATIM) or PLAIN_WORDS.fullmatch(text)):
                    raise refused(f"'{text}'")
        if isinstance(node, exp.DataType) and _type_name(node) not in TYPES:
            raise refused(f"The type {_type_name(node)}")
        if isinstance(node, exp.With) and node.args.get("recursive"):
            raise refused("WITH RECURSIVE")


def _what(node: Any, name: str) -> str:
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return f"The function {str(node.this).lower()}()"
    return f"The function {node.sql_name().lower()}()" if isinstance(node, exp.Func) else name.upper()


def _type_name(node: Any) -> str:
    return str(getattr(node.this, "value", node.this)).upper()


def _texts(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item


@dataclass
class _Tables:
    """Puts a placeholder where a table stands. CTEs are known by the place in the tree where they can be seen."""

    found: list[Reference] = field(default_factory=list)
    ctes: int = 0

    def replace(self, node: Any, seen: Mapping[str, str]) -> None:
        with_ = node.args.get("with_")
        if with_ is not None:
            seen = self._with(with_, seen)
        if isinstance(node, exp.Table):
            self._table(node, seen)
        for child in list(node.iter_expressions()):
            if child is not with_:
                self.replace(child, seen)

    def _with(self, with_: Any, seen: Mapping[str, str]) -> Mapping[str, str]:
        seen = dict(seen)
        for cte in with_.expressions:
            self.replace(cte.this, seen)
            alias = cte.args["alias"]
            name, new = alias.name.lower(), f"{_CTE_PREFIX}{self.ctes}"
            self.ctes += 1
            seen[name] = new
            alias.set("this", exp.to_identifier(new, quoted=True))
        return seen

    def _table(self, table: Any, seen: Mapping[str, str]) -> None:
        name = name_of(table)
        version = _version(table.args.get("version"))
        if len(name) == 1 and name[0].lower() in seen:
            placeholder = seen[name[0].lower()]
        else:
            placeholder = self._reference(table, name, version)
        if not table.alias:
            alias = table.args.get("alias") or exp.TableAlias()
            alias.set("this", exp.to_identifier(name[-1], quoted=True))
            table.set("alias", alias)
        table.set("this", exp.to_identifier(placeholder, quoted=True))
        for key in ("db", "catalog", "version"):
            table.set(key, None)

    def _reference(self, table: Any, name: Name, version: int | None) -> str:
        since, until = time_bounds(table)
        placeholder = f"{TABLE_PREFIX}{len(self.found)}"
        self.found.append(Reference(name, placeholder, version, since, until))
        return placeholder


def name_of(table: Any) -> Name:
    """The parts of a table's name.

    Raises:
        InvalidParameter: it is a function, a string or a path, or a part holds a dot.
    """
    parts = [table.args.get("catalog"), table.args.get("db"), table.this]
    given = [part for part in parts if part is not None]
    if not all(isinstance(part, exp.Identifier) for part in given):
        raise refused(f"{table.this.sql(dialect=DIALECT)} in place of a table's name")
    names = [part.name for part in given]
    check_parts(names)
    return tuple(names)


def _version(version: Any) -> int | None:
    if version is None:
        return None
    number = version.expression
    if version.name.upper() != "VERSION" or not isinstance(number, exp.Literal) or not number.name.isdigit():
        raise refused("Time travel other than VERSION AS OF a number")
    return int(number.name)


def _drop_qualifiers(tree: Any, references: list[Reference]) -> None:
    """`catalog.schema.table.column` becomes `table.column`: inside the query, tables go by their last name."""
    known = {tuple(part.lower() for part in reference.name) for reference in references}
    endings = {name[start:] for name in known for start in range(len(name))}
    for column in tree.find_all(exp.Column):
        qualifiers = tuple(part.name.lower() for part in column.parts[:-1])
        if len(qualifiers) > 1 and qualifiers in endings:
            column.set("db", None)
            column.set("catalog", None)


# --- CREATE TABLE, INSERT ------------------------------------------------------------------------------------------


def _only(node: Any, *allowed: str) -> None:
    for key, value in node.args.items():
        if value and key not in allowed:
            raise refused(f"{key.strip('_').replace('_', ' ').upper()} in {type(node).__name__.upper()}")


def _target(node: Any) -> Name:
    if not isinstance(node, exp.Table):
        raise refused("This target")
    _only(node, "this", "db", "catalog")
    return name_of(node)


def _create(tree: Any, *, user: str, parameters: Mapping[str, Parameter]) -> CreateTable:
    _only(tree, "this", "kind", "expression", "exists", "properties")
    if str(tree.args.get("kind", "")).upper() != "TABLE":
        raise refused(f"CREATE {tree.args.get('kind')}")
    comment, properties = _properties(tree.args.get("properties"))
    rows = tree.args.get("expression")
    if isinstance(tree.this, exp.Schema):
        if rows is not None:
            raise refused("A list of columns together with AS SELECT")
        columns, query = _columns(tree.this)
        target = _target(tree.this.this)
    elif rows is None:
        raise syntax_error("Give the table a list of columns, or rows: CREATE TABLE ... AS SELECT ...")
    else:
        columns, query = (), _query(rows, user=user, parameters=parameters)
        target = _target(tree.this)
    return CreateTable(target, query, columns, bool(tree.args.get("exists")), comment, properties)


def _columns(schema: Any) -> tuple[tuple[ColumnSpec, ...], Query]:
    """The columns, and a query that has them and no row."""
    columns, selected = [], []
    for definition in schema.expressions:
        if not isinstance(definition, exp.ColumnDef) or definition.args.get("kind") is None:
            raise refused("A column without a type, or a table constraint")
        _only(definition, "this", "kind", "constraints")
        nullable, comment = True, ""
        for constraint in definition.args.get("constraints") or []:
            match constraint.kind:
                case exp.NotNullColumnConstraint() as kind:
                    nullable = bool(kind.args.get("allow_null"))
                case exp.CommentColumnConstraint() as kind:
                    comment = kind.this.name
                case kind:
                    raise refused(type(kind).__name__.removesuffix("ColumnConstraint").upper() + " of a column")
        name = definition.this.name
        columns.append(ColumnSpec(name, nullable, comment))
        empty = exp.Cast(this=exp.Null(), to=definition.args["kind"].copy())
        selected.append(exp.alias_(empty, name, quoted=True))
    tree = exp.select(*selected).where(exp.false())
    return tuple(columns), _query(tree, user="", parameters={})


def _properties(given: Any) -> tuple[str, dict[str, str]]:
    comment, properties = "", {}
    for one in given.expressions if given is not None else []:
        match one:
            case exp.FileFormatProperty() if one.name.upper() == "DELTA":
                pass
            case exp.SchemaCommentProperty():
                comment = one.this.name
            case exp.Property() if type(one) is exp.Property and isinstance(one.args.get("value"), exp.Literal):
                properties[one.name] = one.args["value"].name
            case _:
                option = one.sql(dialect=DIALECT).partition(" ")[0]
                raise refused(f"{option} of a table (all are Delta and kept by the product)")
    return comment, properties


def _insert(tree: Any, *, user: str, parameters: Mapping[str, Parameter]) -> Insert:
    _only(tree, "this", "expression")
    table, columns = tree.this, ()
    if isinstance(table, exp.Schema):
        if not all(isinstance(column, exp.Identifier) for column in table.expressions):
            raise refused("This list of columns")
        columns = tuple(column.name for column in table.expressions)
        table = table.this
    if tree.expression is None:
        raise syntax_error("Say what to insert: VALUES or a SELECT.")
    return Insert(_target(table), _query(tree.expression, user=user, parameters=parameters), columns)
