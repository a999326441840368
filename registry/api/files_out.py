"""CSV that is written line by line, and run by no spreadsheet."""

import json
import re
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


class Line:
    """What a CSV writer writes to: hands each line on."""

    def write(self, line: str) -> str:
        """The line itself, which `writerow` answers."""
        return line


def safe_cell(value: Any) -> Any:
    """A value for a spreadsheet: a text that others chose must not be run there as a formula."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    is_formula = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value
