"""Micro-batching: answers are those of one request at a time, and it is used only where that is proven."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from serving.runtime.batching import BatchLimit
from serving.runtime.row_wise import why_not_row_wise
from serving.runtime.rows import RowReader
from tests.serving.replicas import body
from tests.serving.runtime.test_replica import connected, run

COLUMNS = [("x", "double"), ("n", "long"), ("s", "string")]


class Stub:
    """As much of a scorer as the proof looks at."""

    def __init__(self, predict, *, example=({"x": 1.5, "n": 3, "s": "a"}, {"x": 0.5, "n": 4, "s": "b"})) -> None:
        self.reader = RowReader(COLUMNS)
        self._predict = predict
        self._example = example

    def example(self):
        return json.dumps({"dataframe_records": list(self._example)}).encode() if self._example else None

    def predict_rows(self, frame):
        values = self._predict(frame)
        return values if isinstance(values, list) and len(values) == len(frame) else None

    def encode(self, predictions):
        return json.dumps(predictions).encode()


def test_rows_answered_each_by_itself_are_proven():
    assert why_not_row_wise(Stub(lambda frame: (frame["x"] * 2 + frame["n"]).tolist())) == ""


@pytest.mark.parametrize(
    ("predict", "reason"),
    [
        (lambda frame: (frame["x"] - frame["x"].mean()).tolist(), "answered differently"),
        (lambda frame: [len(frame)] * len(frame), "answered differently"),
        (lambda frame: float(frame["x"].sum()), "not one value a row"),
        (lambda frame: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_all_others_are_answered_one_by_one(predict, reason):
    assert reason in why_not_row_wise(Stub(predict))


def test_without_an_example_nothing_is_proven():
    assert "without an input example" in why_not_row_wise(Stub(lambda frame: frame["x"].tolist(), example=()))


def test_a_batch_is_kept_short_by_time():
    limit = BatchLimit()
    for _ in range(12):
        limit.learn(rows=limit.rows, seconds=0.005)
    assert limit.rows == 8192
    limit.learn(rows=limit.rows, seconds=0.25)
    assert limit.rows == 4096
    for _ in range(20):
        limit.learn(rows=limit.rows, seconds=limit.rows * 0.0001)
    assert 125 <= limit.rows <= 1000, "about what takes four times the shortest"
    for _ in range(300):
        limit.learn(rows=limit.rows, seconds=0.2)
    assert limit.rows == 8192, "on a slower machine even short batches are slow"


def test_the_reader_takes_the_common_shape_and_leaves_the_rest_to_mlflow():
    reader = RowReader(COLUMNS)

    def read(**sent):
        return reader.rows(json.dumps(sent).encode())

    split = {"columns": ["s", "x", "n"], "data": [["a", 1, 2]]}
    assert read(dataframe_split=split) == [[1, 2, "a"]]
    assert read(dataframe_split=split, client_request_id="c") == [[1, 2, "a"]]
    frame = reader.frame([[1, 2, "a"], [2.5, -1, "b"]])
    assert [str(kind) for kind in frame.dtypes][:2] == ["float64", "int64"]
    assert frame.to_dict("records") == [{"x": 1.0, "n": 2, "s": "a"}, {"x": 2.5, "n": -1, "s": "b"}]
    for unusual in (
        {"dataframe_split": {**split, "index": [1]}},
        {"dataframe_split": split, "params": {}},
        {"dataframe_split": {"columns": ["x", "n"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["s", "x", "n"], "data": []}},
        {"dataframe_records": [{"x": 1, "n": 2}]},
        {"inputs": [[1, 2, "a"]]},
    ):
        assert read(**unusual) is None
    assert reader.rows(b"{") is None
    for row in ([True, 1, "a"], [1.0, 1.5, "a"], [None, 1, "a"], [1.0, 2**63, "a"], [1.0, 1, 2], [10**400, 1, "a"]):
        assert reader.frame([row]) is None


def test_everybody_gets_the_own_answer_out_of_a_batch(start_replica, obedient):
    running = start_replica(obedient, "--concurrency", "4", "--batch")

    async def walk():
        connection = await connected(running.address)
        gate = asyncio.ensure_future(connection.request({}, body("sleep", 0.2)))
        await asyncio.sleep(0.05)
        wanted = [body("raise") if n % 17 == 3 else body("echo", n, n + 0.5) for n in range(100)]
        wanted[50] = b'{"dataframe_records": [{"order": "echo"}]}'
        answers = await asyncio.gather(*(connection.request({}, one) for one in wanted))
        await gate
        return answers, await connection.health()

    answers, health = run(walk())
    for n, answer in enumerate(answers):
        if n % 17 == 3 or n == 50:
            assert answer.status == 400
        else:
            assert (answer.status, answer.body) == (200, json.dumps({"predictions": [float(n), n + 0.5]}).encode())
    assert 0 < health["batches"] < 60, health
    assert "no micro-batching" not in SimpleNamespace(**health).remarks
