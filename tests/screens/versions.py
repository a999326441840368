"""What the pages of versions show besides rows: files with bytes, a registration half way, one that failed."""

import io
import struct
import zlib
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from registry.models import (
    ModelVersion,
    Operation,
    OperationLogLine,
    OperationState,
    RegisteredModel,
    VersionStatus,
)
from registry.services.artifacts import manifest_totals, place_file
from registry.services.registrations import REGISTER
from registry.storage.blobs import blob_store
from tests.web.factories import make_model, make_version

REQUIREMENTS = "mlflow==3.17.2\nscikit-learn==1.7.0\npandas>=2.2\nnumpy\n"
FEATURES = "feature,importance\n" + "".join(f"{name},{0.4 / place:.3f}\n" for place, name in enumerate("abcdef", 1))
MLMODEL = {
    "mlflow_version": "3.17.2",
    "flavors": {"python_function": {"python_version": "3.11.9", "loader_module": "mlflow.sklearn"}, "sklearn": {}},
}


def picture(side: int = 96) -> bytes:
    """A small PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + b"".join(bytes((11, 110 + x % 96, 40 + (x * y) % 180)) for x in range(side)) for y in range(side)
    )
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def put_files(version: ModelVersion, files: dict[str, bytes]) -> None:
    """Give a pending version these files, with their bytes, and make it READY."""
    with transaction.atomic():
        for path, data in files.items():
            received = blob_store().receive(io.BytesIO(data), limit=len(data) + 1)
            place_file(version_id=version.pk, path=path, received=received)
    count, size = manifest_totals(version)
    ModelVersion.objects.filter(pk=version.pk).update(
        status=VersionStatus.READY, file_count=count, size_bytes=size, ready_at=timezone.now()
    )


def build(ada) -> None:
    """Files, operations and history for prod.flights.delay, whose versions 7 and 8 are pending and failed."""
    delay = RegisteredModel.objects.get(securable__key="delay", securable__parent__parent__key="prod")
    rich = make_version(
        ada,
        delay,
        status=VersionStatus.PENDING_REGISTRATION,
        requirements=REQUIREMENTS,
        mlmodel=MLMODEL,
        uses_defaults_channel=True,
        packed_environment_bytes=412 * 1024**2,
        run_id="5f1c2b9e0a7d4c3f8e6b1a2d3c4f5e6a",
        metrics=[{"key": "rmse", "value": 15.9}, {"key": "r2", "value": 0.81}],
        params=[{"name": "max_depth", "value": "10"}, {"name": "subsample", "value": "0.8"}],
        comment="With **subsampling**.",
    )
    put_files(
        rich,
        {
            "MLmodel": b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n",
            "requirements.txt": REQUIREMENTS.encode(),
            "plots/residuals.png": picture(),
            "plots/importance.csv": FEATURES.encode(),
            "metadata/input_example.json": b'{"columns": ["distance"], "data": [[812.0], [97.5]]}',
        },
    )
    rich.lineage.create(direction="UPSTREAM", kind="DATASET", name="weather-2026", details={"context": "training"})
    rich.lineage.create(direction="DOWNSTREAM", kind="JOB", name="nightly-scores")
    make_version(ada, make_model(ada, "dev.flights.delay_copy"), copied_from=rich)
    _operations(ada, delay)


def _operations(ada, delay: RegisteredModel) -> None:
    pending, failed = delay.versions.get(version=7), delay.versions.get(version=8)
    now = timezone.now()
    running = _operation(
        ada,
        pending,
        state=OperationState.RUNNING,
        progress=42,
        step="Copying model.pkl",
        lease_until=now + timedelta(days=365),
        fence=1,
        attempts=1,
        started_at=now,
    )
    for text in ("Copying runs:/5f1c2b9e/model", "MLmodel: 980 bytes", "model.pkl: 19 of 48 MB"):
        OperationLogLine.objects.create(operation=running, at=now, text=text)
    _operation(ada, failed, state=OperationState.FAILED, error=failed.status_message, finished_at=now)


def _operation(ada, version: ModelVersion, **fields) -> Operation:
    securable = version.model.securable
    params = {"version_id": str(version.pk), "name": securable.full_name, "version": version.version}
    return Operation.objects.create(
        kind=REGISTER,
        params={**params, "source": "runs:/5f1c2b9e/model", "run_id": "", "comment": "", "tags": {}, "tree": "1/x"},
        actor=ada.principal,
        securable=securable,
        subject=f"{securable.full_name} version {version.version}",
        created_at=timezone.now(),
        **fields,
    )
