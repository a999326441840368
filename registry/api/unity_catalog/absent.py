"""What clients of open-source Unity Catalog ask for and this server does not keep: told apart from what is missing.

Lists are empty, under the right to look; one of them does not exist; making one is refused with what to use instead.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import NotFound, NotImplementedHere
from registry.services.schemas import get_schema

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True)
class Absent:
    """A kind of object that is not kept. `word` is its field in a list, `in_schema` whether a list is of a schema."""

    word: str
    one: str
    instead: str
    in_schema: bool = False

    @property
    def path(self) -> str:
        """Below the dialect's prefix."""
        return self.word.replace("_", "-")

    def refusal(self) -> NotImplementedHere:
        """The answer to who wants to make or change one."""
        return NotImplementedHere(f"This server keeps no {self.word.replace('_', ' ')}. {self.instead}")


VOLUMES = Absent(
    "volumes", "volume", "Files of models go through model versions, files of runs through tracking.", in_schema=True
)
FUNCTIONS = Absent("functions", "function", "Models are the functions here: use /models.", in_schema=True)
CREDENTIALS = Absent("credentials", "credential", "It stores the files of models itself.")
EXTERNAL_LOCATIONS = Absent("external_locations", "external location", "It stores the files of models itself.")


class AbsentKind(APIView):
    """GET and POST of a kind that is not kept."""

    kind = VOLUMES

    def get(self, request: Request) -> Response:
        """List the none there are."""
        parameters = parameters_of(request)
        if self.kind.in_schema:
            parts = [text_of(parameters, key, required=True) for key in ("catalog_name", "schema_name")]
            get_schema(actor=actor_of(request), full_name=".".join(parts))
        return object_response({self.kind.word: [], "next_page_token": ""})

    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Refuse to make one."""
        raise self.kind.refusal()


class AbsentOne(APIView):
    """GET, PATCH and DELETE of one of them."""

    kind = VOLUMES

    def get(self, request: Request, full_name: str) -> Response:  # noqa: ARG002
        """Say that there is none."""
        raise self._missing(full_name)

    def patch(self, request: Request, full_name: str) -> Response:  # noqa: ARG002
        """Say that there is none."""
        raise self._missing(full_name)

    def delete(self, request: Request, full_name: str) -> Response:  # noqa: ARG002
        """Say that there is none."""
        raise self._missing(full_name)

    def _missing(self, full_name: str) -> NotFound:
        return NotFound(f"There is no {self.kind.one} '{full_name}': {self.kind.refusal().message}")


class Refused(APIView):
    """A call of the protocol that is understood and not served; `reason` says what to use instead."""

    reason = ""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Refuse, and say what to use instead."""
        raise NotImplementedHere(self.reason)

    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Refuse, and say what to use instead."""
        raise NotImplementedHere(self.reason)


_TABLES = "The rows of tables are read and written with SQL statements (/api/2.0/sql/statements)."
KINDS = (VOLUMES, FUNCTIONS, CREDENTIALS, EXTERNAL_LOCATIONS)
REFUSED = {
    "staging-tables": (("POST",), f"Managed tables are made with CREATE TABLE. {_TABLES}"),
    "delta/preview/commits": (("GET", "POST"), f"Commits of tables are not handed to clients. {_TABLES}"),
    "temporary-table-credentials": (("POST",), f"No credentials to the files of tables are given out. {_TABLES}"),
    "temporary-volume-credentials": (("POST",), VOLUMES.refusal().message),
    "temporary-path-credentials": (
        ("POST",),
        "No credentials to paths are given out: ask for those of a model version.",
    ),
}
"""The methods of each path, and what to use instead."""


def absent_routes() -> list[tuple[str, View]]:
    """Paths below the dialect's prefix, with their views."""
    name = r"(?P<full_name>[^/]+)"
    routes: list[tuple[str, View]] = []
    for kind in KINDS:
        routes += [(kind.path, AbsentKind.as_view(kind=kind)), (f"{kind.path}/{name}", AbsentOne.as_view(kind=kind))]
    for path, (methods, reason) in REFUSED.items():
        names = [method.lower() for method in methods]
        routes.append((path, Refused.as_view(reason=reason, http_method_names=names)))
    return routes
