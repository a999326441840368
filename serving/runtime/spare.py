"""A replica without a model yet: it has imported what takes long, and waits to be told which one it is.

Started as `<python> -I <this folder> --spare`. It reads one line of JSON from its standard input, the arguments of a
replica, and is that replica from then on. When nobody will need it, its input ends, and so does it.
"""

from __future__ import annotations

import json
import os
import sys


def run() -> int:
    """Import, wait, serve."""
    from .preload import preload
    from .process import run as serve

    preload()
    line = sys.stdin.readline()
    if not line:
        return 0
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return serve(json.loads(line))
