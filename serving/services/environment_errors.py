"""Why an environment cannot be made, or a model cannot predict in it."""

from registry.errors import InvalidState


class EnvironmentFailed(InvalidState):
    """The message names the line at fault and what to do. `line` is as the model's author wrote it."""

    def __init__(self, message: str, *, line: str = "", suggestion: str = "") -> None:
        super().__init__(f"{message} {suggestion}".strip())
        self.line = line
        self.suggestion = suggestion


class BuildCanceled(Exception):
    """Whoever asked for the environment does not want it any more: nothing was left behind."""
