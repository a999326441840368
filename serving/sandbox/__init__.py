"""Where code that is not ours runs: own user, own files, no network, bounded. Standard library only, no Django."""

from serving.sandbox.confined import Confined, Finished, run, start
from serving.sandbox.spec import SandboxSpec
from serving.sandbox.walls import NoSandbox, Wall, find_wall, wall_report

__all__ = ["Confined", "Finished", "NoSandbox", "SandboxSpec", "Wall", "find_wall", "run", "start", "wall_report"]
