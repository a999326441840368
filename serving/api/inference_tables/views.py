"""/api/modelkeep/endpoints/{endpoint}/inference-tables and …/labels."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, check_text, number_of, object_response, parameters_of, text_of
from registry.errors import TooLarge
from registry.models import Securable
from serving.models import InferenceTable
from serving.services import inference_tables, labels


def _name(securable: Securable | None) -> str:
    return securable.full_name if securable is not None else ""


def _table(row: InferenceTable) -> dict[str, Any]:
    return {
        "form": row.form,
        "enabled": row.is_enabled,
        "table": _name(row.table),
        "unpacked_table": _name(row.unpacked_table),
        "label_table": _name(row.label_table),
        "retention_days": row.retention_days,
        "appended_rows": row.appended_rows,
        "dropped_rows": row.dropped_rows,
        "unparsed_rows": row.unparsed_rows,
        "appended_at": int(row.appended_at.timestamp() * 1000) if row.appended_at else None,
        "message": row.message,
    }


class InferenceTables(APIView):
    """GET and PATCH endpoints/{endpoint}/inference-tables."""

    def get(self, request: Request, endpoint: str) -> Response:
        """Show where an endpoint's requests are kept, and how that goes."""
        found = inference_tables.list_inference_tables(actor=actor_of(request), name=endpoint)
        return object_response({"inference_tables": [_table(row) for row in found]})

    def patch(self, request: Request, endpoint: str) -> Response:
        """Change how many days rows are kept."""
        parameters = parameters_of(request)
        changed = inference_tables.set_retention(
            actor=actor_of(request),
            name=endpoint,
            form=text_of(parameters, "form"),
            days=number_of(parameters, "retention_days", default=0),
        )
        return object_response({"inference_table": _table(changed)})


class _Octets(BaseParser):
    """The body as it is, whatever its type."""

    media_type = "*/*"

    def parse(  # type: ignore[override]  # The stubs know of no parser that leaves a body as it is.
        self,
        stream: Any,
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> bytes:
        """All of it, up to the limit of JSON bodies.

        Raises:
            TooLarge: the rest is not read.
        """
        limit, parts, size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, [], 0
        while piece := stream.read(min(1024**2, limit + 1 - size)):
            parts.append(piece)
            size += len(piece)
            if size > limit:
                raise TooLarge(f"The labels are larger than {limit} bytes: send them in several parts.")
        return b"".join(parts)


class Labels(APIView):
    """POST endpoints/{endpoint}/labels."""

    parser_classes = (_Octets,)

    def post(self, request: Request, endpoint: str) -> Response:
        """Tell what really was: labels by request id, as JSON, CSV or Parquet."""
        form = request.query_params.get("form", "")
        check_text(form)
        body = request.data if isinstance(request.data, bytes) else b""
        found = labels.read_labels(body, request.content_type or "")
        for label in found:
            check_text([label.request_id, label.client_request_id])
        table = labels.upload_labels(actor=actor_of(request), name=endpoint, labels=found, form=form)
        return object_response({"labels": len(found), "table": _name(table.label_table)})
