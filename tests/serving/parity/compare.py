"""Ask MLflow's own scoring server and ours the same, and print what differs. Runs in its own process."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JSON = "application/json"
PARQUET = "application/vnd.apache.parquet"


def requests_for(frame: Any, bodies: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """A few dozen requests out of a frame: all forms, and all ways to get them wrong."""
    frame = frame.reset_index(drop=True)
    split = json.loads(frame.to_json(orient="split", index=False))
    records = json.loads(frame.to_json(orient="records"))
    columns, data = split["columns"], split["data"]
    good = {"dataframe_split": split}

    def rows(changed: Any) -> dict[str, Any]:
        return {"dataframe_split": {"columns": columns, "data": changed}}

    def cell(value: Any) -> dict[str, Any]:
        return rows([[value, *data[0][1:]], *data[1:]])

    sent: list[Any] = [
        *bodies,
        good,
        {"dataframe_records": records},
        {"instances": records},
        {"inputs": records},
        {"inputs": {name: frame[name].map(_plain).tolist() for name in columns}},
        {"instances": data},
        {"inputs": data},
        good | {"client_request_id": "c", "usage_context": {"a": 1}},
        good | {"params": {}},
        good | {"params": {"unheard": 1}},
        good | {"signature_name": "x"},
        good | {"inputs": data},
        {"dataframe_split": {**split, "index": list(range(10, 10 + len(data)))}},
        {"dataframe_split": {"columns": columns[::-1], "data": [row[::-1] for row in data]}},
        {"dataframe_split": {"columns": [*columns, "more"], "data": [[*row, 1] for row in data]}},
        {"dataframe_split": {"columns": columns[1:], "data": [row[1:] for row in data]}},
        {"dataframe_split": {"columns": [columns[0]] * len(columns), "data": data}},
        {"dataframe_split": {"data": data}},
        {"dataframe_split": {"columns": columns}},
        {"dataframe_split": {"columns": columns, "data": data, "other": 1}},
        {"dataframe_split": {"columns": "abc", "data": data}},
        {"dataframe_split": data},
        {"dataframe_split": None},
        {"dataframe_records": split},
        {"dataframe_records": [records[0], {}]},
        {"dataframe_records": [{**records[0], "more": 1}]},
        {"dataframe_records": [dict(reversed(records[0].items()))]},
        {"dataframe_records": []},
        {"dataframe_records": [1, 2]},
        rows([]),
        rows([[]]),
        rows([data[0], data[0][:-1]]),
        rows([*data, 5]),
        rows({"0": 1}),
        rows([data[0]] * 50),
        *(
            cell(value)
            for value in (None, "text", True, 7, -3, 2**31, 2**53 + 1, 2**64, 10**400, 1.5, 1e300, float("nan"))
        ),
        *(cell(value) for value in (float("inf"), [], {}, [1.0], "", "NaN", "2024-01-01", -0.0)),
        *(rows([[value] * len(columns)] * 2) for value in (None, 1, 1.5, "a", False, float("nan"))),
        {"inputs": None},
        {"instances": []},
        {"inputs": "text"},
        {"prompt": "hello", "n": 1},
        {"input": ["a", "b"]},
        {},
        [],
        [good],
        1,
        "text",
        None,
    ]
    for one in sent:
        yield JSON, json.dumps(one).encode()
    whole = json.dumps(good).encode()
    yield JSON, whole[:-3]
    yield JSON, b""
    yield JSON, b"\xff\xfe{}"
    yield JSON, json.dumps(good).encode("utf-16")
    yield JSON, b'{"dataframe_split": 1, "dataframe_split": ' + json.dumps(split).encode() + b"}"
    types = ("; charset=utf-8", ";charset=UTF-8", "; charset=latin-1", "; boundary=x", ";", "; charset=utf-8; a=b")
    for suffix in types:
        yield JSON + suffix, whole
    for other in ("text/plain", "APPLICATION/JSON", "", "image/png"):
        yield other, whole
    csv = frame.to_csv(index=False).encode()
    yield from (("text/csv", csv), ("text/csv; charset=utf-8", csv), ("text/csv", csv[:-2]), ("text/csv", b""))
    yield "text/csv", b"\xff\xff"
    yield "text/csv", b"a,b\n1\n2,3,4\n"
    packed = io.BytesIO()
    frame.to_parquet(packed)
    yield from ((PARQUET, packed.getvalue()), (PARQUET, b"PAR1 no"), (PARQUET, b""))


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else getattr(value, "item", lambda: value)()


def without_trace(body: bytes) -> bytes:
    """An answer without what names lines of code or places in memory."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict) and "error_code" in content:
        content.pop("stack_trace", None)
        return re.sub(r"0x[0-9a-f]+", "0x", json.dumps(content)).encode()
    return body


def main(root: Path) -> None:
    """Print one object: how many requests were compared, what differs, and how MLflow's failures are answered."""
    from starlette.testclient import TestClient

    from serving.runtime.scoring import Scorer, load_scorer
    from tests.serving.parity.models import saved_models

    differing, failures, compared, fast = [], [], 0, 0
    for sample in saved_models(root):
        import mlflow.pyfunc
        from mlflow.pyfunc import scoring_server

        theirs = TestClient(
            scoring_server.init(mlflow.pyfunc.load_model(str(sample.folder))), raise_server_exceptions=False
        )
        ours: Scorer = load_scorer(str(sample.folder))
        if ours.reader is not None:
            fast += 1
        for content_type, body in requests_for(sample.frame, sample.bodies):
            expected = theirs.post("/invocations", content=body, headers={"content-type": content_type})
            status, answered_type, answer = ours.answer(body, content_type)
            got = (status, answered_type, without_trace(answer))
            wanted = (expected.status_code, expected.headers["content-type"], without_trace(expected.content))
            compared += 1
            if expected.status_code >= 500:
                failures.append((expected.text[:200], status, json.loads(answer)["error_code"]))
            elif got != wanted:
                differing.append([sample.name, content_type, repr(body[:300]), repr(wanted)[:900], repr(got)[:900]])
    sys.stdout.write(
        json.dumps({"compared": compared, "fast": fast, "differing": differing, "failures": failures}) + "\n"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.stderr = io.StringIO() if len(sys.argv) < 3 else sys.stderr
    main(Path(sys.argv[1]))
