"""Rows that a gateway has written down outlive it, and nothing that happens to the spool reaches its callers."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from serving.routing import spool
from serving.routing.spool import SpoolWriter, closed_segments, read_rows, spooled_bytes
from serving.services.spool_batches import begin_batch, begun_batches, spool_id

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from serving.routing.spool import SpoolWriter
writer = SpoolWriter(Path(sys.argv[2]), segment_bytes=int(sys.argv[3]))
for number in range(10**9):
    assert writer.append({"number": number, "body": b"x" * 300})
    print(number, flush=True)
"""


def started(folder: Path, *, segment_bytes: int = 16 * 1024**2) -> subprocess.Popen:
    root = str(Path(spool.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, root, str(folder), str(segment_bytes)], stdout=subprocess.PIPE, text=True
    )


def all_rows(folder: Path) -> list[dict]:
    return [row for segment in closed_segments(folder) for row in read_rows(segment)]


def test_rows_come_back_as_they_were_with_their_bytes(tmp_path):
    writer = SpoolWriter(tmp_path)
    rows = [
        {"text": "ä\ud800", "body": b"\x00\xff" * 50, "nothing": None, "list": ["a"], "number": 1.5},
        {"body": b"", "other": b"x"},
        {},
    ]
    assert all(writer.append(row) for row in rows)
    assert closed_segments(tmp_path) == []
    writer.close()
    assert all_rows(tmp_path) == rows
    assert (writer.dropped, writer.message) == (0, "")


def test_two_processes_are_killed_while_they_write_and_no_row_is_lost(tmp_path):
    """What was acknowledged is there, from both, and their segments count as closed."""
    processes = [started(tmp_path, segment_bytes=20_000) for _ in range(2)]
    acknowledged = []
    for process in processes:
        for line in process.stdout:
            if int(line) == 400:
                process.kill()
                break
        acknowledged.append(max([400, *(int(line) for line in process.stdout if line.endswith("\n"))]))
        process.communicate()
    found = [row["number"] for row in all_rows(tmp_path)]
    for last in acknowledged:
        for number in range(last + 1):
            found.remove(number)
    assert len(found) <= 2, "more than one row a writer that was never acknowledged"
    assert not list(tmp_path.glob("*.open"))


def test_a_living_writer_keeps_its_segment(tmp_path):
    with started(tmp_path) as process:
        process.stdout.readline()
        assert closed_segments(tmp_path) == []
        process.kill()
    assert len(closed_segments(tmp_path)) == 1


@pytest.mark.parametrize("cut", [1, 11, 12, 13, 40])
def test_a_torn_tail_ends_the_segment_cleanly(tmp_path, cut):
    writer = SpoolWriter(tmp_path)
    writer.append({"number": 1})
    writer.append({"number": 2, "body": b"y" * 100})
    writer.close()
    (segment,) = closed_segments(tmp_path)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-cut])
    assert [row["number"] for row in read_rows(segment)] == [1]
    segment.write_bytes(whole[:-1] + b"z")
    assert [row["number"] for row in read_rows(segment)] == [1]


def test_a_full_spool_drops_counts_and_recovers(tmp_path):
    writer = SpoolWriter(tmp_path, max_bytes=2_000)
    taken = [writer.append({"body": b"x" * 500}) for _ in range(6)]
    assert taken == [True, True, True, False, False, False]
    assert writer.dropped == 3
    assert "full" in writer.message
    writer.close()
    for segment in closed_segments(tmp_path):
        segment.unlink()
    writer._measured = float("-inf")
    writer.tend()
    assert writer.append({"body": b"x" * 500})
    assert writer.message == ""


def test_a_disk_that_is_almost_full_is_left_to_others(tmp_path):
    writer = SpoolWriter(tmp_path, min_free_bytes=2**62)
    writer.tend()
    assert not writer.append({"a": 1})
    assert "disk" in writer.message


def test_appending_never_raises(tmp_path):
    (tmp_path / "file").write_text("in the way")
    writer = SpoolWriter(tmp_path / "file" / "folder")
    assert not writer.append({"a": 1})
    assert not writer.append({"a": object()})
    assert writer.dropped == 2
    assert writer.message


def test_a_write_that_does_not_fit_leaves_no_half_row(tmp_path, monkeypatch):
    writer = SpoolWriter(tmp_path)
    assert writer.append({"number": 1})
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(spool.os, "write", lambda file, frame: real(file, frame[:7]))
        assert not writer.append({"number": 2})
    assert writer.append({"number": 3})
    writer.close()
    assert [row["number"] for row in all_rows(tmp_path)] == [1, 3]


def test_segments_close_by_size_and_by_age(tmp_path):
    writer = SpoolWriter(tmp_path, segment_bytes=1_000, segment_seconds=0)
    writer.append({"body": b"x" * 2_000})
    writer.append({"number": 2})
    writer.tend()
    assert len(closed_segments(tmp_path)) == 2


def test_many_threads_write_whole_rows(tmp_path):
    writer = SpoolWriter(tmp_path, segment_bytes=4_000)
    threads = [
        threading.Thread(target=lambda name=name: [writer.append({"name": name}) for _ in range(200)])
        for name in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    names = [row["name"] for row in all_rows(tmp_path)]
    assert sorted(names) == sorted(name for name in range(4) for _ in range(200))


def test_a_row_costs_well_below_a_request(tmp_path):
    writer = SpoolWriter(tmp_path)
    row = {"request": b"x" * 2_000, "response": b"y" * 500, **{f"fact {i}": "value" for i in range(12)}}
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(100):
            writer.append(row)
        best = min(best, (time.perf_counter() - start) / 100)
    assert best < 0.0005


def test_a_batch_keeps_its_segments_until_it_is_finished(tmp_path):
    for number in range(2):
        writer = SpoolWriter(tmp_path)
        writer.append({"number": number})
        writer.close()
    batch = begin_batch(tmp_path, 7)
    late = SpoolWriter(tmp_path)
    late.append({"number": 2})
    late.close()
    (again,) = begun_batches(tmp_path)
    assert again == batch
    assert [row["number"] for row in again.rows()] == [0, 1]
    again.finish()
    again.finish()
    assert begun_batches(tmp_path) == []
    assert [row["number"] for row in begin_batch(tmp_path, 8).rows()] == [2]
    assert spooled_bytes(tmp_path) > 0


def test_a_spool_has_one_name_for_ever(tmp_path):
    names = set()
    threads = [threading.Thread(target=lambda: names.add(spool_id(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == {spool_id(tmp_path)}
