"""Loading the demonstration beside a running stack; what it says is told at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping

from config.stack import logs
from config.stack.launch import shim_command
from config.stack.options import ROOT
from config.stack.paths import DataFolder

LOOKBACK = "MODELKEEP_MONITOR_LOOKBACK_DAYS"
LOOKBACK_DAYS = "400"
"""The demonstration's requests go back ten months, and its monitor measures them all."""


async def load(
    folder: DataFolder, *, environment: Mapping[str, str], lock: int, report: Callable[[str], None]
) -> None:
    """Run `load_demo` to its end. A failure is told, and the stack goes on: it can be loaded again."""
    log = folder.logs / "demo.log"
    with logs.open_log(log) as errors:
        process = await asyncio.create_subprocess_exec(
            *shim_command([sys.executable, str(ROOT / "manage.py"), "load_demo"], hold=lock),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **environment},
            start_new_session=True,
            pass_fds=(lock,),
        )
        try:
            assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
            async for line in process.stdout:
                report(line.decode(errors="replace").rstrip())
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    if code != 0:
        report(f"demo: not loaded to its end, see {log}. Start with --demo again to go on.")
