"""Every path that the resolver knows, written out with sample values."""

import re._constants as sre  # the only description of a pattern's structure that Python offers
import re._parser as sre_parser
from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

SAMPLES = {
    "alert_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "alias": "champion",
    "app_label": "registry",
    "bucket": "modelkeep",
    "catalog": "prod",
    "chunk_index": "0",
    "content_type_id": "1",
    "delivery_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "destination_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "endpoint": "rides",
    "endpoint_id": "0b8e2f7e0d2c4c8e9f5f0d3a4f0c9d11",
    "event_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "experiment_id": "1",
    "form_name": "LEGACY",
    "full_name": "prod.ml.ranker",
    "key": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11/1/MLmodel",
    "kind": "schemas",
    "model": "ranker",
    "name": "prod",
    "object_id": "1",
    "operation_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "path": "/Models/prod/ml/ranker/1/MLmodel",
    "principal_id": "1",
    "request_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "object_type": "table",
    "refresh_id": "1",
    "run_id": "a" * 32,
    "schema": "ml",
    "scope": "weather",
    "secret_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "securable_type": "FUNCTION",
    "served": "ranker-1",
    "signed": "x",
    "statement_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "subentity": "1",
    "table": "clicks",
    "token_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
    "url": "anything",
    "version": "1",
    "warehouse_id": "x",
    "webhook_id": "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11",
}
_FULL_NAMES = {"schemas": "prod.ml", "tables": "prod.ml.clicks"}
_MOST_SPELLINGS = 12


def all_paths() -> list[str]:
    """Each route with all spellings of its optional parts, once."""
    return sorted({_of_kind(f"/{text}") for text in _walk(get_resolver())})


def _walk(resolver: URLResolver, before: tuple[str, ...] = ("",)) -> Iterator[str]:
    for entry in resolver.url_patterns:
        pieces = _spellings(entry.pattern.regex.pattern)
        joined = [first + then for first, then in product(before, pieces)]
        if isinstance(entry, URLPattern):
            yield from joined
        else:
            yield from _walk(entry, tuple(joined))


def _of_kind(path: str) -> str:
    """`schemas/prod.ml.ranker` names no schema: give each kind a name of its own levels."""
    for kind, full_name in _FULL_NAMES.items():
        path = path.replace(f"/{kind}/prod.ml.ranker", f"/{kind}/{full_name}")
    return path


def _spellings(pattern: str) -> list[str]:
    parsed = sre_parser.parse(pattern)
    names = {number: name for name, number in parsed.state.groupdict.items()}
    return list(dict.fromkeys(islice(_texts(parsed, names), _MOST_SPELLINGS)))


def _texts(parsed: Iterable[Any], names: dict[int, str]) -> Iterator[str]:
    options = [list(islice(_of_part(part, names), _MOST_SPELLINGS)) for part in parsed]
    yield from ("".join(texts) for texts in product(*options))


def _of_part(part: Any, names: dict[int, str]) -> Iterator[str]:
    kind, value = part
    match kind:
        case sre.LITERAL:
            yield chr(value)
        case sre.IN:
            yield from _of_set(value)
        case sre.NOT_LITERAL | sre.ANY:
            yield "x"
        case sre.BRANCH:
            for branch in value[1]:
                yield from _texts(branch, names)
        case sre.SUBPATTERN:
            number, *_, inner = value
            name = names.get(number, "")
            # A sample that the group takes; of a choice between words, each word.
            if name in SAMPLES and not any(one[0] in {sre.BRANCH, sre.LITERAL} for one in inner):
                yield SAMPLES[name]
            else:
                yield from _texts(inner, names)
        case sre.MAX_REPEAT | sre.MIN_REPEAT:
            least, _, inner = value
            if least == 0:
                yield ""
            yield from (text * max(least, 1) for text in _texts(inner, names))
        case sre.AT:
            yield ""
        case _:
            raise NotImplementedError(f"{kind} in a route")


def _of_set(members: list[Any]) -> list[str]:
    """Each character that a set names one by one, or else one that it takes."""
    match members[0]:
        case (sre.LITERAL, _):
            return [chr(code) for member, code in members if member == sre.LITERAL]
        case (sre.RANGE, (first, _)):
            return [chr(first)]
        case (sre.CATEGORY, sre.CATEGORY_DIGIT):
            return ["2"]
    return ["x"]
