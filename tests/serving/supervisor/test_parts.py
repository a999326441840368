"""The supervisor's parts by themselves."""

import pytest

from registry.errors import InvalidState
from serving.routing.stats import EntityStats, GatewayStats, write_stats
from serving.supervisor.devices import choose, device_files, present
from serving.supervisor.traffic import TrafficBook, minute_of

ENTITY = "0" * 32


def test_gpu_type_without_gpus_is_refused_by_name():
    with pytest.raises(InvalidState, match="GPU_SMALL needs 1 GPU, and this machine has none"):
        choose("GPU_SMALL", taken=(), here=[])
    with pytest.raises(InvalidState, match="MULTIGPU_MEDIUM needs 4 GPUs: 3 of the 4"):
        choose("MULTIGPU_MEDIUM", taken=[2], here=[0, 1, 2, 3])
    assert choose("GPU_MEDIUM", taken=[0], here=[0, 1]) == [1]
    assert choose("CPU_LARGE", taken=(), here=[]) == []


def test_device_files_are_those_of_the_chosen_gpus(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "sda"):
        (tmp_path / name).write_text("")
    assert present(tmp_path) == [0, 1]
    assert [path.name for path in device_files([1], tmp_path)] == ["nvidia1", "nvidiactl", "nvidia-uvm"]
    assert device_files([], tmp_path) == ()


def tell(folder, *, written, started=50.0, pid=7, **entity):
    stats = EntityStats(**entity)
    write_stats(folder, GatewayStats(pid, started, written, {ENTITY: stats}, {}))


def test_traffic_counts_every_request_once(tmp_path):
    book = TrafficBook(tmp_path, clock=1000.0, now=100.0)
    tell(tmp_path, written=101, started=90, requests=5, latency_ms=10)
    book.read(101)
    # A gateway that is older than we are: what it had counted was not for us.
    assert book.take_minutes() == {}
    counts = [2] + [0] * 16
    tell(
        tmp_path,
        written=102,
        started=90,
        requests=7,
        latency_ms=14,
        outstanding=3,
        queued=1,
        last_request=102,
        latency_counts=counts,
    )
    book.read(102)
    book.read(102.2)
    ((entity, minute),) = book.take_minutes().items()
    assert minute.as_sample()["requests"] == 2
    assert minute.as_sample()["latency_sum_ms"] == 4
    assert minute.latency_counts == counts
    assert book.load[entity].outstanding == 3
    # In the clock of the loop.
    assert book.load[entity].last_request == 1002.0
    # The same process id again, another process: it begins at nothing.
    tell(tmp_path, written=103, started=103, requests=1)
    book.read(103)
    assert book.take_minutes()[entity].as_sample()["requests"] == 1


def test_load_of_a_gateway_that_is_gone_does_not_count(tmp_path):
    book = TrafficBook(tmp_path, clock=0.0, now=0.0)
    tell(tmp_path, written=100, started=90, outstanding=4, last_request=100)
    book.read(120)
    (load,) = book.load.values()
    assert (load.outstanding, load.last_request) == (0, 100.0)
    book.read(100 + 3700)
    assert list(tmp_path.iterdir()) == []


def test_minutes_begin_at_the_full_minute():
    assert minute_of(125.5).timestamp() == 120
