"""From arguments to a process that answers: bind the socket, load the model, work until drained."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback

from .scoring import Scorer, load_scorer
from .server import Server
from .units import Inventory


def run(arguments: list[str]) -> int:
    """Serve until drained. 0 after that; 1 when the model cannot be loaded, and the last line of the log says why."""
    options = _parser().parse_args(arguments)
    server = Server(options.socket, threads=options.concurrency, timeout=options.timeout, batch=options.batch)
    server.listen()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.drain())
    before = Inventory(options.socket)
    try:
        scorer = _load(options)
    except BaseException as error:  # noqa: BLE001 — a model may raise whatever it likes while it loads
        if not isinstance(error, (SystemExit, KeyboardInterrupt)):
            traceback.print_exc()
        # Where the model lies here is nobody's business; the files in it are.
        sys.stderr.write(f"Cannot load the model: {describe(error).replace(f'{options.model}/', '')}\n")
        sys.stderr.flush()
        # Not an ordinary exit: threads that the model started must not keep a failed process alive.
        os._exit(1)
    server.serve(scorer, before)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def describe(error: BaseException) -> str:
    """An exception in one sentence."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"it ended the process (sys.exit({text}))."
    return f"{name}: {text}" if text else f"{name}."


def _load(options: argparse.Namespace) -> Scorer:
    sys.stderr.write(f"Loading {options.name or options.model} {options.version}\n")
    scorer = load_scorer(options.model, stack_traces=options.stack_traces, batch=options.batch)
    sys.stderr.write(f"Loaded. {scorer.remarks}\n")
    sys.stderr.flush()
    return scorer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runtime", description="Answers predictions of one model.")
    parser.add_argument("--model", required=True, help="folder of the model")
    parser.add_argument("--socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--concurrency", type=int, default=1, help="requests worked on at a time")
    parser.add_argument("--batch", action="store_true", help="answer requests that wait together with one predict")
    parser.add_argument("--timeout", type=float, default=120, help="seconds after which a prediction counts as stuck")
    parser.add_argument("--stack-traces", action="store_true", help="show callers where a model failed")
    parser.add_argument("--name", default="", help="for the log")
    parser.add_argument("--version", default="", help="for the log")
    return parser
