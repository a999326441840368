"""Run by path as `<environment>/bin/python -I <this folder> <order>`; the order is JSON.

Loads a model once. Then each line of standard input names a batch: `<batches>/<name>.arrow` is predicted, and
`<answers>/<name>.json` appears, whole, with the predictions as an endpoint would write them, or with what went wrong.
Works in old Pythons. Of the environment it needs MLflow and pyarrow.
"""

import json
import os
import sys
from typing import Any

LOADED = "loaded"


def main() -> None:
    """Load, then answer batch by batch until standard input ends."""
    order = json.loads(sys.argv[1])
    try:
        import mlflow.pyfunc
        import pyarrow.ipc  # noqa: F401  (what is missing is told before a batch is waited for)
        from mlflow.utils import proto_json_utils

        server: Any = proto_json_utils
        model = mlflow.pyfunc.load_model(order["model"])
    except BaseException as error:  # noqa: BLE001  (whatever a model does is told)
        tell(order, LOADED, failure(error))
        return
    tell(order, LOADED, "{}")
    for line in sys.stdin:
        name = line.strip()
        try:
            raw = model.predict(frame_of(os.path.join(order["batches"], name + ".arrow")))  # noqa: PTH118
            plain = server._get_jsonable_obj(raw, pandas_orient="records")  # noqa: SLF001  (as scoring servers do)
            answer = json.dumps({"predictions": plain}, cls=server.NumpyEncoder)
        except BaseException as error:  # noqa: BLE001  (whatever a model does is told)
            answer = failure(error)
        tell(order, name, answer)


def frame_of(path: str) -> Any:
    """The rows of a batch as a frame of pandas."""
    import pyarrow.ipc

    with open(path, "rb") as file:  # noqa: PTH123
        return pyarrow.ipc.open_file(file).read_all().to_pandas()


def failure(error: BaseException) -> str:
    """What went wrong, as JSON."""
    import traceback

    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    named: Any = error
    while named is not None and not isinstance(named, ImportError):
        named = named.__cause__ or named.__context__
    missing = (getattr(named, "name", None) or "") if isinstance(named, ModuleNotFoundError) else ""
    return json.dumps({"error": str(error) or error.__class__.__name__, "trace": trace, "missing": missing})


def tell(order: Any, name: str, answer: str) -> None:
    """Leave an answer, whole or not at all."""
    path = os.path.join(order["answers"], name)  # noqa: PTH118
    with open(path + ".new", "w") as file:  # noqa: PTH123
        file.write(answer)
    os.rename(path + ".new", path + ".json")  # noqa: PTH104


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # A model may have left threads that never end.
    os._exit(0)
