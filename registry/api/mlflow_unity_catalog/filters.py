"""The one filter that this protocol's version search knows: name = '...'."""

import re

from registry.errors import InvalidParameter

_NAME_EQUALS = re.compile(r"""\s*name\s*=\s*(?:'([^']*)'|"([^"]*)")\s*""", re.IGNORECASE)


def name_in_filter(text: str) -> str:
    """The model name that the filter asks for.

    Raises:
        InvalidParameter: any other filter.
    """
    match = _NAME_EQUALS.fullmatch(text)
    if match is None:
        raise InvalidParameter(
            f"Filter {text!r} is not supported here: search versions with name = 'catalog.schema.model'. LIKE, "
            "ILIKE, != and tag filters are not part of this API.",
            field="filter",
        )
    return match.group(1) if match.group(1) is not None else match.group(2)
