"""What is answered to calls for what is not kept here, for the OpenAPI document."""

from registry.api.openapi.dialects import Call
from registry.api.openapi.shapes import ANYTHING, EMPTY, TEXT, fields, listed
from registry.api.unity_catalog.absent import KINDS, REFUSED, Absent

_UC = "/api/2.1/unity-catalog"
_SCHEMA = ("catalog_name", "schema_name")


def _calls_for(kind: Absent) -> dict[str, dict[str, Call]]:
    needs = _SCHEMA if kind.in_schema else ()
    one = kind.one.replace(" ", "_")
    return {
        f"{_UC}/{kind.path}": {
            "GET": Call(
                f"list_{kind.word}",
                fields({kind.word: listed(ANYTHING), "next_page_token": TEXT}),
                query=dict.fromkeys(needs, TEXT),
                needs=needs,
            ),
            "POST": Call(f"create_{one}", EMPTY, errors=(501,), text=kind.instead),
        },
        f"{_UC}/{kind.path}/{{full_name}}": {
            method: Call(f"{verb}_{one}", EMPTY, errors=(404,))
            for method, verb in (("GET", "get"), ("PATCH", "update"), ("DELETE", "delete"))
        },
    }


def _refused(path: str) -> dict[str, Call]:
    methods, reason = REFUSED[path]
    name = path.replace("/", "_").replace("-", "_")
    return {method: Call(f"{method.lower()}_{name}", EMPTY, errors=(501,), text=reason) for method in methods}


ABSENT_PATHS: dict[str, dict[str, Call]] = {
    **{path: calls for kind in KINDS for path, calls in _calls_for(kind).items()},
    **{f"{_UC}/{path}": _refused(path) for path in REFUSED},
}
