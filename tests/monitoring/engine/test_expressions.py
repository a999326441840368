"""Expressions: what users may write, and what they may not."""

import pyarrow as pa
import pytest

from monitoring.engine.evaluation import aggregate, evaluate, output_type
from monitoring.engine.expressions import LONGEST, parse
from monitoring.engine.spec import SpecError

DATA = pa.table(
    {
        "age": [1, 2, 30, None],
        "my col": [1.5, 2.5, 0.0, 1.0],
        's"; DROP': ["x", "y", "x", None],
        "s": pa.array(["a", "b", "a", None]).dictionary_encode(),
    }
)


def checked(text, **options):
    return parse(text, columns=DATA.column_names, field="slicing_expressions", **options)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("age > 25", [False, False, True, None]),
        ("AGE + 1", [2, 3, 31, None]),
        ("`my col` * 2", [3.0, 5.0, 0.0, 2.0]),
        ('`s"; DROP`', ["x", "y", "x", None]),
        ("upper(s)", ["A", "B", "A", None]),
        ("s = 'it''s'", [False, False, False, None]),
        ("CASE WHEN age > 2 THEN 'old' ELSE 'young' END", ["young", "young", "old", "young"]),
        ("age IN (1, 2) AND s LIKE 'a%'", [True, False, False, None]),
        ("age / 0", [None, None, None, None]),
        ("coalesce(age, 0) % 10", [1, 2, 0, 0]),
        ("age -- a comment\n > 1", [False, True, True, None]),
    ],
)
def test_what_may_be_written(text, values):
    assert evaluate(DATA, {"x": checked(text)}).column("x").to_pylist() == values


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd')", "read_text('/etc/passwd')", "getenv('HOME')", "current_setting('x')",
        "(SELECT 1)", "age IN (SELECT 1)", "EXISTS (SELECT 1)", "age FROM secrets", "1; DROP TABLE x", "*", "age, s",
        "age UNION SELECT 1", "avg(age)", "row_number() OVER ()", "nosuch", "other.age", "x -> x",
        "age::struct<a int>",
        "pragma_version()", "rand()", "now()", "uuid()", "repeat('x', 1000000000)", "{{ input_column }}",
        "{% for x in y %}", "{{ age.__class__ }}", "CAST(age AS BLOB)", "", ")", "age >", "$1", ":name", "@v", "?",
        pytest.param("a" * (LONGEST + 1), id="long"), pytest.param("(" * 3000 + "age" + ")" * 3000, id="deep"),
    ],
)  # fmt: skip
def test_what_may_not_be_written(text):
    with pytest.raises(SpecError) as refused:
        checked(text)
    assert refused.value.field == "slicing_expressions"
    assert refused.value.message


def test_aggregates_are_computed_by_group():
    data = DATA.append_column("group", pa.array([0, 0, 1, -1]))
    texts = {
        "a": "avg(`{{input_column}}` * {{input_column}})",
        "b": "avg(CASE WHEN {{prediction_col}} = {{label_col}} THEN 0 ELSE 1 END)",
        "c": "count(*)",
        "d": "percentile(age, 0.5)",
        "e": "count(DISTINCT s)",
        "f": "sum(age) FILTER (WHERE age > 1)",
    }
    roles = {"input_column": "my col", "prediction_col": "s", "label_col": 's"; DROP'}
    expressions = {name: checked(text, placeholders=roles, aggregate=True) for name, text in texts.items()}
    found = aggregate(data, expressions, {"d": "DOUBLE"}, key="group").sort_by("group").to_pydict()
    assert found == {
        "group": [0, 1],
        "a": [4.25, 0.0],
        "b": [1.0, 1.0],
        "c": [2, 1],
        "d": [1.5, 30.0],
        "e": [2, 1],
        "f": [2, 30],
    }


def test_a_metric_must_aggregate():
    with pytest.raises(SpecError, match="does not aggregate"):
        checked("age", aggregate=True)


def test_both_sides_of_a_drift_metric_are_named():
    sides = {"current_df": "current.", "base_df": "base."}
    columns = ["current.m", "base.m"]
    found = parse("{{current_df}}.m - {{base_df}}.m", columns=columns, field="custom_metrics", rows=sides)
    assert found.columns == set(columns)
    for text in ("m", "{{current_df}}.other", "current.m", "{{elsewhere}}.m"):
        with pytest.raises(SpecError):
            parse(text, columns=columns, field="custom_metrics", rows=sides)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("double", "DOUBLE"),
        ('{"name":"output","type":"double","nullable":true,"metadata":{}}', "DOUBLE"),
        ('"long"', "BIGINT"),
        ("DoubleType", "DOUBLE"),
    ],
)
def test_types_of_outputs(text, sql):
    assert output_type(text)[0] == sql


@pytest.mark.parametrize("text", ["", "array<int>", "{", '{"type": {"type": "map"}}', "blob"])
def test_types_that_are_none(text):
    with pytest.raises(SpecError):
        output_type(text)
