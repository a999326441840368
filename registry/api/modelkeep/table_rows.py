"""Rows of tables over REST: the body is a file."""

from typing import Any, cast

from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.bodies import body_of
from registry.api.wire import actor_of, check_text, object_response, text_of
from registry.services.table_uploads import APPEND, form_of, upload_rows


class _FileParser(BaseParser):
    """Leaves the body alone: a file is read as it comes in."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,  # noqa: ARG002
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing of the body."""
        return {}


class Rows(APIView):
    """POST tables/{full_name}/rows?mode=create|append|overwrite."""

    parser_classes = (_FileParser,)

    def post(self, request: Request, full_name: str) -> Response:
        """Take in a CSV or Parquet file as rows of a table; the body is the file."""
        query = request.query_params.dict()
        check_text(query)
        source, _ = body_of(cast("HttpRequest", request))
        uploaded = upload_rows(
            actor=actor_of(request),
            full_name=full_name,
            source=source,
            form=form_of(text_of(query, "format") or request.content_type or ""),
            mode=text_of(query, "mode") or APPEND,
            comment=text_of(query, "comment"),
        )
        return object_response(
            {
                "table": uploaded.full_name,
                "mode": uploaded.mode,
                "rows": uploaded.rows,
                "columns": [{"name": one["name"], "type": one["type_text"]} for one in uploaded.columns],
            }
        )
