"""Run by path as `<environment>/bin/python -I <this folder> <order>`; the order is JSON, the report a JSON file.

Without a model only the imports that serving needs are tried. With one, its prediction for an input file is made by
the function that `mlflow.models.predict` runs in its own environment, so that the answer is the same to the byte.
Works in old Pythons.
"""

import json
import os
import resource
import sys
import time
from typing import Any

LAST_LINES = 40
PREDICTIONS = "predictions.json"


def main() -> None:
    """Do what the order says and write how it went."""
    order = json.loads(sys.argv[1])
    report: dict[str, Any] = {"python": sys.version.split()[0]}
    begun = time.monotonic()
    try:
        import mlflow.pyfunc
        import mlflow.version
        from mlflow.pyfunc import scoring_server

        report["mlflow"] = mlflow.version.VERSION
        report["import_seconds"] = time.monotonic() - begun
        report["stage"] = "imports"
        if order.get("model"):
            report["stage"] = "prediction"
            begun = time.monotonic()
            predict: Any = scoring_server._predict  # noqa: SLF001  (what mlflow.models.predict itself calls)
            predict(
                model_uri=order["model"],
                input_path=order["input"],
                output_path=os.path.join(order["folder"], PREDICTIONS),  # noqa: PTH118
                content_type=order["content_type"],
            )
            report["predict_seconds"] = time.monotonic() - begun
    except BaseException as error:  # noqa: BLE001  (whatever a model does is told)
        import traceback

        report["error"] = str(error) or error.__class__.__name__
        report["error_type"] = error.__class__.__name__
        report["trace"] = "".join(traceback.format_exc().splitlines(keepends=True)[-LAST_LINES:])
        named: BaseException | None = error
        while named is not None and not isinstance(named, ImportError):
            named = named.__cause__ or named.__context__
        report["missing"] = (getattr(named, "name", None) or "") if isinstance(named, ModuleNotFoundError) else ""
    report["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with open(os.path.join(order["folder"], "report.json"), "w") as file:  # noqa: PTH118, PTH123
        json.dump(report, file)
    sys.stdout.flush()
    # A model may have left threads that never end.
    os._exit(0)


if __name__ == "__main__":
    main()
