"""The XML of this protocol: flat documents out, one small list in."""

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree as ET

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Fields = Iterable[tuple[str, Any]]
"""Names and values in order; a list of pairs as a value is a nested element."""


class UnreadableXML(ValueError):
    """Not XML, or XML with declarations, which no client of this protocol sends."""


def document(root: str, fields: Fields) -> bytes:
    """A document; errors have no namespace, everything else has the protocol's."""
    element = ET.Element(root, {} if root == "Error" else {"xmlns": _NAMESPACE})
    _fill(element, fields)
    body: bytes = ET.tostring(element, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body


def _fill(element: ET.Element, fields: Fields) -> None:
    for name, value in fields:
        child = ET.SubElement(element, name)
        if isinstance(value, Sequence) and not isinstance(value, str):
            _fill(child, value)
        else:
            child.text = _printable(str(value))


def _printable(text: str) -> str:
    """XML has no way to write most control characters: clients that need them ask for keys in URL encoding."""
    return "".join(one if one >= " " or one in "\t\n\r" else "\ufffd" for one in text)


def rows_of(raw: bytes, *, root: str, row: str) -> list[dict[str, str]]:
    """The `row` elements right below `root`, each as a mapping of its children's names to their texts.

    Raises:
        UnreadableXML: not such a document.
    """
    try:
        text = raw.decode()
        # Without declarations there are no entities, and nothing that grows when it is read.
        if "<!" in text:
            raise UnreadableXML("declarations are not taken")
        element = ET.fromstring(text)  # noqa: S314
    except (ValueError, ET.ParseError) as error:
        raise UnreadableXML(str(error)) from error
    if _local(element) != root:
        raise UnreadableXML(f"{root} is expected, not {_local(element)}")
    return [{_local(cell): cell.text or "" for cell in child} for child in element if _local(child) == row]


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
