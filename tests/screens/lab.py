"""Experiments of the small company: runs with metrics over steps, and one that left a model."""

import json
import math
import time
from pathlib import Path

from django.conf import settings

from registry.errors import Unavailable
from registry.services.experiment_lifecycle import create_experiment
from registry.services.tracking import ask

_API = "/api/2.0/mlflow"
_START = 1_790_000_000_000
_SIGNATURE = {
    "inputs": '[{"type": "string", "name": "origin"}, {"type": "double", "name": "distance"}]',
    "outputs": '[{"type": "double"}]',
}


def build(ada) -> None:
    """`/Shared/delay` with five runs of Ada's, the last of which can be registered."""
    experiment_id = _made(ada, "/Shared/delay")
    create_experiment(actor=ada, name="/Shared/pricing", tags=[])
    for number in range(1, 6):
        run_id = _run(experiment_id, number)
    folder = Path(settings.TRACKING_ROOT, experiment_id, run_id, "artifacts", "model")
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(json.dumps({"flavors": {"python_function": {}}, "signature": _SIGNATURE}))
    (folder / "model.pkl").write_bytes(b"weights" * 4000)


def _made(ada, name: str) -> str:
    """The tracking server starts behind the web server: its first answer may take a minute."""
    for _ in range(90):
        try:
            return create_experiment(actor=ada, name=name, tags=[])
        except Unavailable:
            time.sleep(1)
    raise AssertionError("the tracking server has not started")


def _run(experiment_id: str, number: int) -> str:
    body = {
        "experiment_id": experiment_id,
        "run_name": f"gradient-boosting-{number}",
        "start_time": _START + number * 3_600_000,
        "tags": [{"key": "mlflow.user", "value": "ada"}, {"key": "mlflow.source.name", "value": "train.py"}],
    }
    run_id = ask("POST", f"{_API}/runs/create", body=body)["run"]["info"]["run_id"]
    metrics = [
        {"key": key, "value": scale * (1 + 2 * math.exp(-step / (6 + number))), "timestamp": _START, "step": step}
        for key, scale in (("rmse", 17.5 - number / 2), ("mae", 11.2 - number / 3))
        for step in range(40)
    ]
    params = [{"key": "max_depth", "value": str(3 + number)}, {"key": "learning_rate", "value": "0.1"}]
    tags = [{"key": "team", "value": "operations"}]
    body = {"run_id": run_id, "metrics": metrics, "params": params, "tags": tags}
    ask("POST", f"{_API}/runs/log-batch", body=body)
    over = {"run_id": run_id, "status": "FAILED" if number == 2 else "FINISHED"}
    ask("POST", f"{_API}/runs/update", body={**over, "end_time": _START + number * 3_600_000 + 754_000})
    return run_id
