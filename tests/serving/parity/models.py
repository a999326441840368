"""Models of many kinds for the comparison with MLflow's server, each with rows that it takes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import Array, ColSpec, DataType, Object, ParamSchema, ParamSpec, Property, Schema, TensorSpec


@dataclass
class Sample:
    """A saved model, and a frame (or other bodies) that it answers."""

    name: str
    folder: Path
    frame: pd.DataFrame
    bodies: list[dict[str, Any]] = field(default_factory=list)


def saved_models(root: Path) -> Iterator[Sample]:
    """Save them one by one."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression

    features, target = load_iris(as_frame=True, return_X_y=True)
    forest = RandomForestClassifier(8, max_depth=4, random_state=0).fit(features, target)
    signed = infer_signature(features, forest.predict(features))

    def sklearn(name: str, model: Any, **options: Any) -> Path:
        options = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]} | options
        mlflow.sklearn.save_model(model, root / name, **options)
        return root / name

    def pyfunc(name: str, model: Any, **options: Any) -> Path:
        mlflow.pyfunc.save_model(root / name, python_model=model, pip_requirements=["mlflow"], **options)
        return root / name

    yield Sample(
        "sklearn", sklearn("sklearn", forest, signature=signed, input_example=features.head(2)), features.head(3)
    )
    yield Sample("sklearn_unsigned", sklearn("sklearn_unsigned", forest), features.head(3))
    line = LinearRegression().fit(features, target)
    probabilities = sklearn("probabilities", forest, signature=signed, pyfunc_predict_fn="predict_proba")
    yield Sample("probabilities", probabilities, features.head(3))
    yield Sample(
        "linear",
        sklearn("linear", line, signature=infer_signature(features, line.predict(features))),
        features.tail(4),
    )

    unnamed = infer_signature(features.to_numpy(), forest.predict(features))
    tensor = features.head(2).to_numpy().tolist()
    bodies = [{"inputs": tensor}, {"instances": tensor}, {"inputs": tensor[0]}, {"inputs": [["x"] * 4]}]
    yield Sample("tensor", sklearn("tensor", forest, signature=unnamed), features.head(2), bodies)

    import lightgbm

    data = lightgbm.Dataset(features.to_numpy(), target.to_numpy())
    booster = lightgbm.train({"num_leaves": 4, "verbose": -1, "objective": "regression"}, data, 4)
    renamed = features.set_axis(["a b", "c", "d", "e"], axis=1).astype("float32")
    mlflow.lightgbm.save_model(
        booster, root / "lightgbm", signature=infer_signature(renamed, [0.5]), pip_requirements=["lightgbm"]
    )
    yield Sample("lightgbm", root / "lightgbm", renamed.head(3))

    import statsmodels.api as statsmodels

    fitted = statsmodels.OLS(target, features).fit()
    mlflow.statsmodels.save_model(
        fitted, root / "statsmodels", signature=infer_signature(features, [0.5]), pip_requirements=["statsmodels"]
    )
    yield Sample("statsmodels", root / "statsmodels", features.head(3))

    yield _with_code(root)
    yield from _of_types(root, pyfunc)


def _with_code(root: Path) -> Sample:
    (root / "helping.py").write_text("def double(values):\n    return [value * 2 for value in values]\n")
    (root / "words.txt").write_text("served")
    code = root / "coded.py"
    code.write_text(
        "import mlflow\n\n\nclass Coded(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n"
        "        self.word = open(context.artifacts['words']).read()\n\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        from helping import double\n"
        "        return {self.word: double(model_input['x']), 'n': (params or {}).get('n')}\n\n\n"
        "mlflow.models.set_model(Coded())\n"
    )
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.long, "x"), ColSpec(DataType.string, "y", required=False)]),
        params=ParamSchema([ParamSpec("n", DataType.double, 1.5), ParamSpec("s", DataType.string, "a")]),
    )
    mlflow.pyfunc.save_model(
        root / "coded",
        python_model=str(code),
        code_paths=[str(root / "helping.py")],
        artifacts={"words": str(root / "words.txt")},
        signature=signature,
        pip_requirements=["mlflow"],
    )
    rows = {"columns": ["x"], "data": [[1], [2]]}
    bodies = [
        {"dataframe_split": rows, "params": {"n": 2}},
        {"dataframe_split": rows, "params": {"n": "x"}},
        {"dataframe_split": rows, "params": {"unknown": 1}},
        {"dataframe_split": rows, "params": []},
        {"dataframe_split": rows, "params": None},
    ]
    return Sample("coded", root / "coded", pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), bodies)


class _Told(mlflow.pyfunc.PythonModel):
    """Answers with what it is made of."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        count = len(model_input)
        if self.kind == "types":
            return pd.DataFrame({name: model_input[name].map(repr) for name in model_input.columns})
        if self.kind == "repr":
            return repr(model_input)
        if self.kind == "series":
            return pd.Series([1.5, float("nan"), None][:count], name="s")
        if self.kind == "frame":
            return pd.DataFrame(
                {"n": [np.nan] * count, "t": [pd.Timestamp("2024-01-01")] * count, "b": [b"x"] * count}
            )
        if self.kind == "odd":
            return {"a": np.float32(0.1), "b": np.array([b"1", b"2"]), "c": dt.date(2024, 1, 1), "d": [np.nan]}
        if self.kind == "unwritable":
            return {1, 2}
        if self.kind == "mlflow_error":
            raise mlflow.exceptions.MlflowException("not today")
        if self.kind == "own_error":
            raise ValueError("private")
        raise AssertionError(self.kind)


def _of_types(root: Path, pyfunc: Any) -> Iterator[Sample]:
    plain = pd.DataFrame(
        {
            "d": [1.5, -0.0],
            "f": np.array([0.1, 2.0], "float32"),
            "l": [2**53 + 1, -1],
            "i": np.array([1, 2**31 - 1], "int32"),
            "b": [True, False],
            "s": ["x", "ü"],
        }
    )
    signature = infer_signature(plain)
    yield Sample("types", pyfunc("types", _Told("types"), signature=signature), plain)
    for kind in ("series", "frame", "odd", "unwritable", "mlflow_error", "own_error"):
        yield Sample(kind, pyfunc(kind, _Told(kind), signature=signature), plain)

    moments = pd.DataFrame(
        {"at": pd.to_datetime(["2024-01-01T00:00:00", "2024-06-01T10:00:00"]), "raw": [b"ab", b"\xff"]}
    )
    moments_signature = ModelSignature(Schema([ColSpec(DataType.datetime, "at"), ColSpec(DataType.binary, "raw")]))
    sent = {"columns": ["at", "raw"], "data": [["2024-01-01", "YWI="], ["x", "YWI="]]}
    bodies = [
        {"dataframe_split": {"columns": ["at", "raw"], "data": [["2024-01-01T00:00:00", "YWI="]]}},
        {"dataframe_split": sent},
        {"inputs": {"at": ["2024-01-01"], "raw": ["YWI="]}},
        {"dataframe_records": [{"at": 1700000000000, "raw": 5}]},
    ]
    yield Sample(
        "moments",
        pyfunc("moments", _Told("types"), signature=moments_signature),
        moments.assign(raw=["YWI=", "/w=="]),
        bodies,
    )

    nested = ModelSignature(
        Schema([ColSpec(Array(DataType.double), "xs"), ColSpec(Object([Property("k", DataType.string)]), "o")])
    )
    frame = pd.DataFrame({"xs": [[1.0, 2.0], [3.0]], "o": [{"k": "a"}, {"k": "b"}]})
    yield Sample("nested", pyfunc("nested", _Told("types"), signature=nested), frame)

    many = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")])
    )
    bodies = [
        {"inputs": {"a": [[1, 2], [3, 4]], "b": [1, 2]}},
        {"instances": [{"a": [1, 2], "b": 1}, {"a": [3, 4], "b": 2}]},
        {"inputs": {"a": [[1, 2, 3]], "b": [1]}},
    ]
    yield Sample("tensors", pyfunc("tensors", _Told("repr"), signature=many), pd.DataFrame({"b": [1]}), bodies)
    yield Sample(
        "unsigned", pyfunc("unsigned", _Told("repr")), plain, [{"messages": [{"role": "user", "content": "hi"}]}]
    )
    yield from _hinted(root)


def _hinted(root: Path) -> Iterator[Sample]:
    code = root / "hinted.py"
    code.write_text(
        "import mlflow\nimport pydantic\n\n\nclass Message(pydantic.BaseModel):\n    role: str\n    size: int = 3\n\n\n"  # noqa: E501
        "class Hinted(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, model_input: list[Message], params=None) -> list[str]:\n"
        "        return [f'{one.role}:{one.size}' for one in model_input]\n\n\nmlflow.models.set_model(Hinted())\n"
    )
    mlflow.pyfunc.save_model(root / "hinted", python_model=str(code), pip_requirements=["mlflow"])
    bodies = [
        {"inputs": [{"role": "user"}]},
        {"inputs": [{"role": 1, "size": "x"}]},
        {"inputs": {"role": "user"}},
        {"instances": [{"role": "user"}]},
        {"messages": [{"role": "user"}]},
    ]
    yield Sample("hinted", root / "hinted", pd.DataFrame({"role": ["user"]}), bodies)
