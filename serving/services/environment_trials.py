"""Trying an environment, and a model in it, where model code may run: in the sandbox, never in a process of ours."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from registry.errors import Unavailable
from serving import sandbox
from serving.services.environment_errors import BuildCanceled, EnvironmentFailed
from serving.services.package_names import package_of_module
from serving.services.uv_process import Canceled, never

PROGRAM = Path(__file__).resolve().parent.parent / "trial"
_IMPORT_SECONDS = 300
_MAX_REPORT_BYTES = 16 * 1024**2
_CANCELED = "canceled"


@dataclass(frozen=True)
class Trial:
    """What a trial found. `error` is empty when all went well; `predictions` is the answer as JSON text."""

    python: str
    mlflow: str
    stage: str = ""
    error: str = ""
    error_type: str = ""
    trace: str = ""
    missing_module: str = ""
    import_seconds: float = 0.0
    predict_seconds: float = 0.0
    peak_bytes: int = 0
    predictions: str = ""
    output: str = ""

    @property
    def remedy(self) -> str:
        """What to do about the error, where that can be told."""
        if self.missing_module:
            return f"Add '{package_of_module(self.missing_module)}' to the model's requirements."
        return ""


def try_imports(environment: Path, *, canceled: Canceled = never) -> Trial:
    """Import what serving needs in an environment, given by its folder.

    Raises:
        EnvironmentFailed: `mlflow.pyfunc` does not import there.
        BuildCanceled, Unavailable: as `try_prediction`.
    """
    found = _run(environment, {}, [], seconds=_IMPORT_SECONDS, canceled=canceled)
    if found.error:
        raise EnvironmentFailed(
            f"The environment was made, but mlflow.pyfunc does not import in it: {found.error}",
            line=found.missing_module,
            suggestion=found.remedy,
        )
    return found


def try_prediction(
    environment: Path,
    model: Path,
    given: str,
    *,
    content_type: str = "json",
    canceled: Canceled = never,
) -> Trial:
    """Make a real prediction in an environment; what goes wrong in the model is told in the answer, not raised.

    `given` is the request's text. Takes as long as SERVING_DEPLOY_SECONDS and the memory of one unit at most.

    Raises:
        BuildCanceled.
        Unavailable: nothing can confine a model on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="input-", dir=settings.SERVING_ROOT) as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "input"
        path.write_text(given, encoding="utf-8")
        path.chmod(0o444)
        order = {"model": str(model), "content_type": content_type, "input": str(path)}
        seconds = float(settings.SERVING_DEPLOY_SECONDS)
        return _run(environment, order, [model, path], seconds=seconds, canceled=canceled)


def _run(
    environment: Path, order: dict[str, str], readable: list[Path], *, seconds: float, canceled: Canceled
) -> Trial:
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=settings.SERVING_ROOT))
    spec = sandbox.SandboxSpec(
        command=(
            str(environment / "bin" / "python"),
            "-I",
            str(PROGRAM),
            json.dumps({**order, "folder": str(folder)}),
        ),
        read_only=(environment, PROGRAM, *readable),
        writable=(folder,),
        environment={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"},
        memory_bytes=settings.SERVING_MEMORY_BYTES_PER_UNIT,
        scratch=Path(settings.SERVING_ROOT),
    )
    try:
        ended = sandbox.run(spec, seconds=seconds, canceled=canceled)
        if ended.reason == _CANCELED:
            raise BuildCanceled("canceled while the model was being tried")
        return _read(folder, ended)
    except sandbox.NoSandbox as error:
        raise Unavailable(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(folder: Path, ended: sandbox.Finished) -> Trial:
    """The report. It comes from where model code ran, so it is data of a stranger."""
    output = ended.output[-20_000:]
    try:
        raw = _bounded(folder / "report.json")
        report = json.loads(raw)
    except (OSError, ValueError):
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        reason = ended.reason or last or f"it ended with code {ended.code}"
        return Trial(python="", mlflow="", error=f"The process ended before it could answer: {reason}", output=output)
    predictions = ""
    if not report.get("error") and report.get("stage") == "prediction":
        predictions = _bounded(folder / "predictions.json")
    return Trial(
        python=str(report.get("python", "")),
        mlflow=str(report.get("mlflow", "")),
        stage=str(report.get("stage", "")),
        error=str(report.get("error", ""))[:4000],
        error_type=str(report.get("error_type", "")),
        trace=str(report.get("trace", ""))[-8000:],
        missing_module=str(report.get("missing", ""))[:200],
        import_seconds=float(report.get("import_seconds") or 0),
        predict_seconds=float(report.get("predict_seconds") or 0),
        peak_bytes=int(report.get("peak_bytes") or 0),
        predictions=predictions,
        output=output,
    )


def _bounded(path: Path) -> str:
    """A file that model code wrote: a plain one, of a size that can be held."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_REPORT_BYTES:
        raise ValueError(f"{path.name} is no report")
    return path.read_text(encoding="utf-8", errors="replace")
