"""Answers as MLflow's scoring server would give them, by MLflow's own functions of the model's environment.

The frame of a common request is made by `rows` and its answer written by the C encoder; everything else, and whatever
the fast way does not understand, is `mlflow.pyfunc.scoring_server.invocations` itself.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .rows import RowReader

Answered = tuple[int, str, bytes]
JSON = "application/json"
STOCK_PREDICT = "MODELKEEP_STOCK_PREDICT"
"""Variable of a served entity: true keeps the model's own `predict`, whatever is proven of a faster one."""
_PLAIN_JSON = frozenset({JSON, f"{JSON};charset=utf-8", f"{JSON}; charset=utf-8", f"{JSON}; charset=UTF-8"})
_TRACE_KEY = "stack_trace"


def is_plain_json(content_type: str) -> bool:
    """Whether a body of this type may be read the fast way."""
    return content_type in _PLAIN_JSON


def load_scorer(folder: str, *, stack_traces: bool = False, batch: bool = False) -> Scorer:
    """Load the model of a folder; whatever it raises is raised."""
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(folder)
    scorer = Scorer(model, folder, stack_traces=stack_traces)
    if os.environ.get(STOCK_PREDICT, "").lower() not in ("1", "true", "yes"):
        scorer.hasten()
    if batch:
        from .row_wise import why_not_row_wise

        scorer.forbid_batches(why_not_row_wise(scorer))
    return scorer


class Scorer:
    """A loaded model that answers bodies.

    Args:
        model: what `mlflow.pyfunc.load_model` gave.
        folder: where it lies, for its input example.
        stack_traces: whether callers may see where the model failed. The log has it always.
    """

    def __init__(self, model: Any, folder: str, *, stack_traces: bool = False) -> None:
        from mlflow.pyfunc import scoring_server

        self._model = model
        self._folder = Path(folder)
        # Of whatever version of MLflow this environment has, so without a type.
        self._server: Any = scoring_server
        self._stack_traces = stack_traces
        # MLflow 2 answers by Flask.
        self._flask: Any = scoring_server.init(model) if hasattr(scoring_server, "flask") else None
        self._schema = model.metadata.get_input_schema()
        self._reader = self._fast_reader()
        self._predict = _direct_predict(model) if self._reader else None
        self._why_not_batch = "not asked for"
        self._asks_trees = False

    def hasten(self) -> None:
        """Ask a forest tree by tree from now on, if that is proven to give the same answers."""
        from .forests import forest_predict

        found = forest_predict(self, self._model, self._predict) if self._predict is not None else None
        if found is not None:
            self._predict, self._asks_trees = found, True

    @property
    def remarks(self) -> str:
        """How it answers, for the log."""
        fast = "Rows are read the fast way" if self._reader else "MLflow reads every request"
        trees = "; trees are asked directly" if self._asks_trees else ""
        batch = f"; no micro-batching: {self._why_not_batch}" if self._why_not_batch else "; micro-batching"
        return f"{fast}{trees}{batch}."

    @property
    def can_batch(self) -> bool:
        """Whether requests may be answered together with equal results."""
        return not self._why_not_batch

    @property
    def reader(self) -> RowReader | None:
        """The fast way to read, where the signature has one."""
        return self._reader

    @property
    def schema(self) -> Any:
        """The signature's inputs, or None."""
        return self._schema

    def forbid_batches(self, reason: str) -> None:
        """Say why requests must not be answered together; empty: they may."""
        self._why_not_batch = reason

    def answer(
        self,
        body: bytes,
        content_type: str = JSON,
        *,
        request_id: str = "",
        stream: Callable[[bytes], bool] | None = None,
    ) -> Answered:
        """Status, content type and body for a request.

        `stream` takes the parts of a streamed answer and returns False when nobody reads on; then the body is empty.
        Nothing is raised, whatever the model does.
        """
        try:
            if stream is not None and b'"stream"' in body and self._wants_stream(body, content_type):
                return self._answer_stream(body, stream, request_id)
            if self._reader is not None and is_plain_json(content_type):
                rows = self._reader.rows(body)
                if rows is not None:
                    frame = self._reader.frame(rows)
                    if frame is not None:
                        return self._answer_frame(frame, body, content_type, request_id)
            return self._answer_as_mlflow(body, content_type, request_id)
        except BaseException as error:  # noqa: BLE001 — a model may raise anything, SystemExit included
            return self._failure(error, request_id)

    def predict_rows(self, frame: Any) -> list[Any] | None:
        """Predictions for a frame as one JSON value per row; None where they do not come one a row."""
        if self._predict is None:
            return None
        raw = self._predict(frame)
        values = _jsonable(raw)
        return values if isinstance(values, list) and len(values) == len(frame) else None

    def encode(self, predictions: Any) -> bytes:
        """The body of an answer with these predictions, byte for byte as MLflow writes it."""
        # json.dump, as MLflow has it, writes the same text by slow Python code.
        return json.dumps({"predictions": predictions}, cls=self._server.NumpyEncoder).encode()

    def written(self, raw: Any) -> bytes:
        """The body of an answer for what a model's predict gave."""
        return self.encode(_jsonable(raw))

    def prove(self) -> str:
        """Predict the model's input example. Empty when it can, or has none; else why not."""
        try:
            body = self.example()
            if body is None:
                example = self._model.metadata.load_input_example(str(self._folder))
                if example is not None:
                    self.written(self._model.predict(example))
                return ""
            status, _, answer = Scorer(self._model, str(self._folder), stack_traces=True).answer(body)
        except BaseException as error:  # noqa: BLE001 — whatever the model raises is the reason
            traceback.print_exc()
            return f"The model fails on its own input example: {type(error).__name__}: {error}"
        return "" if status == 200 else f"The model fails on its own input example: {_reason(answer)}"

    def example(self) -> bytes | None:
        """The input example as a client would send it, if the model was saved with one that can be."""
        try:
            return (self._folder / "serving_input_example.json").read_bytes()
        except OSError:
            # Saved by an MLflow before 2.14.
            return self._frame_example()

    def _frame_example(self) -> bytes | None:
        try:
            frame = self._model.metadata.load_input_example(str(self._folder))
            split = json.loads(frame.to_json(orient="split"))
        except Exception:  # noqa: BLE001 — none, or not a frame
            return None
        return json.dumps({"dataframe_split": {name: split[name] for name in ("columns", "data")}}).encode()

    def _fast_reader(self) -> RowReader | None:
        """The fast way, when the signature has one and it reads the input example exactly as MLflow does."""
        if getattr(self._model.metadata, "_is_signature_from_type_hint", lambda: False)():
            return None
        reader = RowReader.for_schema(self._schema)
        example = self.example() if reader else None
        if reader is None or example is None:
            return reader
        try:
            rows = reader.rows(example)
            frame = None if rows is None else reader.frame(rows)
            if frame is None:
                return reader
            read = getattr(self._server, "infer_and_parse_data", None)
            # MLflow before 2.5 reads text.
            parsed = (
                read(json.loads(example), self._schema)
                if read is not None
                else self._server.infer_and_parse_json_input(example, self._schema)
            )
            return reader if _same_frames(frame, _enforced(parsed, self._schema)) else None
        except Exception:  # noqa: BLE001 — another MLflow than the ones known: leave reading to it
            return None

    def _answer_frame(self, frame: Any, body: bytes, content_type: str, request_id: str) -> Answered:
        if self._predict is None:
            raise RuntimeError("no fast way")
        try:
            raw = self._predict(frame)
        except Exception as error:  # noqa: BLE001 — reported as MLflow does
            if self._flask is not None:
                # An older MLflow has words of its own for it.
                return self._answer_as_mlflow(body, content_type, request_id)
            return self._failure(self._as_mlflow_reports(error, frame), request_id)
        return 200, JSON, self.written(raw)

    def _as_mlflow_reports(self, error: Exception, frame: Any) -> Exception:
        """The exception that MLflow's `invocations` makes of what a model raised."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import BAD_REQUEST

        if isinstance(error, MlflowException):
            error.message = f"Failed to predict data '{frame}'. \nError: {error.message}"
            return error
        return MlflowException(
            message=(
                "Encountered an unexpected error while evaluating the model. Verify that the serialized input"
                " Dataframe is compatible with the model for inference."
            ),
            error_code=BAD_REQUEST,
            stack_trace="".join(traceback.format_exception(type(error), error, error.__traceback__)),
        )

    def _answer_as_mlflow(self, body: bytes, content_type: str, request_id: str) -> Answered:
        from mlflow.exceptions import MlflowException

        if self._flask is not None:
            return self._answer_by_flask(body, content_type, request_id)
        try:
            answer = self._server.invocations(body, content_type, self._model, self._schema)
        except MlflowException as error:
            return self._failure(error, request_id)
        mimetype = answer.mimetype
        if mimetype.startswith("text/"):
            mimetype += "; charset=utf-8"
        return answer.status, mimetype, answer.response.encode()

    def _answer_by_flask(self, body: bytes, content_type: str, request_id: str) -> Answered:
        """By the whole application of an MLflow whose functions need a request of Flask around them."""
        answer = self._flask.test_client().post("/invocations", data=body, content_type=content_type)
        if answer.is_json and answer.status_code != 200:
            return self._failed(answer.status_code, answer.get_json(), request_id)
        if answer.status_code >= 500:
            # Flask has logged why.
            message = "The model's answer could not be made."
            return self._failed(400, {"error_code": "BAD_REQUEST", "message": message}, request_id)
        return answer.status_code, answer.content_type, answer.data

    def _failure(self, error: BaseException, request_id: str) -> Answered:
        """The answer to a request that failed."""
        from mlflow.exceptions import MlflowException

        if isinstance(error, MlflowException):
            failure: Any = error
            return self._failed(failure.get_http_status_code(), json.loads(failure.serialize_as_json()), request_id)
        # MLflow answers 500 "Internal Server Error" here, which stock clients send again and again.
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        message = f"The model's answer could not be made: {type(error).__name__}: {error}"
        return self._failed(400, {"error_code": "BAD_REQUEST", "message": message, _TRACE_KEY: trace}, request_id)

    def _failed(self, status: int, content: dict[str, Any], request_id: str) -> Answered:
        """An error as callers may see it; where it happened goes into the log."""
        trace = content.get(_TRACE_KEY, "")
        if trace:
            sys.stderr.write(f"Request {request_id} failed.\n{trace}\n")
            sys.stderr.flush()
        if not (self._stack_traces and trace):
            content.pop(_TRACE_KEY, None)
        if status >= 500:
            # A failing model is for the caller to see, and no reason to send the request again.
            status, content["error_code"] = 400, "BAD_REQUEST"
        return status, JSON, json.dumps(content).encode()

    def _wants_stream(self, body: bytes, content_type: str) -> bool:
        if not content_type.startswith(JSON):
            return False
        try:
            parsed = json.loads(body)
        except ValueError:
            return False
        return isinstance(parsed, dict) and parsed.get("stream") is True

    def _answer_stream(self, body: bytes, stream: Callable[[bytes], bool], request_id: str) -> Answered:
        """Send `data:` lines. What fails before the first of them is answered as any failure is."""
        parsed = self._server._parse_json_data(body, self._model.metadata, self._schema)  # noqa: SLF001
        chunks: Iterator[Any] = iter(self._model.predict_stream(parsed.data, params=parsed.params))
        started = False
        try:
            for chunk in chunks:
                text = json.dumps(_jsonable(chunk), cls=self._server.NumpyEncoder)
                started = True
                if not stream(f"data: {text}\n\n".encode()):
                    getattr(chunks, "close", lambda: None)()
                    return 200, JSON, b""
        except Exception as error:
            if not started:
                raise
            _, _, failure = self._failure(self._as_mlflow_reports(error, "of the stream"), request_id)
            stream(b'data: {"error": ' + failure + b"}\n\n")
        stream(b"data: [DONE]\n\n")
        return 200, JSON, b""


def _jsonable(raw: Any) -> Any:
    from mlflow.utils import proto_json_utils

    untyped: Any = proto_json_utils
    return untyped._get_jsonable_obj(raw, pandas_orient="records")  # noqa: SLF001


def _reason(answer: bytes) -> str:
    """What an error body says in one sentence, with the last line of its trace."""
    try:
        content = json.loads(answer)
    except ValueError:
        return answer.decode("utf-8", "replace")[:2000]
    trace = content.get(_TRACE_KEY, "").strip().splitlines()
    message = str(content.get("message", ""))[:2000]
    return f"{message} {trace[-1].strip()}" if trace else message


def _direct_predict(model: Any) -> Callable[[Any], Any]:
    """`model.predict` without enforcing the schema again, for frames that already obey it.

    Only where this MLflow's own predict is the one whose steps are known; else predict itself.
    """
    try:
        import inspect

        from mlflow.models.utils import _enforce_params_schema
        from mlflow.pyfunc.context import Context, get_prediction_context, set_prediction_context

        if type(model).__name__ != "PyFuncModel" or getattr(model.metadata, "_is_type_hint_from_example", bool)():
            return model.predict  # type: ignore[no-any-return]
        inner = model._predict_fn  # noqa: SLF001
        params_schema = model.metadata.get_params_schema()
        params_argument = inspect.signature(inner).parameters.get("params")
        takes_params = params_argument is not None and params_argument.kind != inspect.Parameter.VAR_KEYWORD
        if getattr(model.metadata, "metadata", None) and "dependencies_schemas" in model.metadata.metadata:
            return model.predict  # type: ignore[no-any-return]
        model_id = getattr(model, "model_id", None)
        inspect.signature(Context).bind(model_id=model_id)
        get_prediction_context()
        _enforce_params_schema(None, params_schema)
        # Whoever looks at the model object finds what its own predict would have left there.
        model.input_schema, model.params_schema = model.metadata.get_input_schema(), params_schema
    except Exception:  # noqa: BLE001 — an MLflow whose insides look different
        return model.predict  # type: ignore[no-any-return]

    def predict(frame: Any) -> Any:
        with set_prediction_context(Context(model_id=model_id)):
            if takes_params:
                return inner(frame, params=_enforce_params_schema(None, params_schema))
            return inner(frame)

    return predict


def _enforced(data: Any, schema: Any) -> Any:
    from mlflow.models.utils import _enforce_schema

    return _enforce_schema(data, schema)


def _same_frames(left: Any, right: Any) -> bool:
    """Whether two frames are equal in values, types, index, names and memory layout."""
    if type(left) is not type(right) or list(left.columns) != list(right.columns) or len(left) != len(right):
        return False
    if type(left.index) is not type(right.index) or list(left.dtypes) != list(right.dtypes):
        return False
    return bool(left.equals(right)) and left.columns.dtype == right.columns.dtype
