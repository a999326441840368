"""Results that the engine did not compute, and links by which results are fetched."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils import timezone

from registry.errors import AccessDenied
from registry.models import SqlStatement
from registry.services.actors import Actor, RequestContext, actor_now
from registry.services.sql_governance import Rows
from registry.services.sql_jobs import result_folder

_SALT = "modelkeep.sql"


def keep_rows(statement_id: UUID, rows: Rows, *, format_: str) -> dict[str, Any]:
    """Write rows of text as the only chunk of a result; answers its manifest."""
    folder = make_folder(statement_id)
    columns = [
        {"name": name, "position": position, "type_name": "STRING", "type_text": "STRING"}
        for position, name in enumerate(rows.columns)
    ]
    chunks = []
    if rows.rows:
        content = _render(rows, format_)
        (folder / "0").write_bytes(content)
        chunks = [{"row_offset": 0, "row_count": len(rows.rows), "byte_count": len(content)}]
    size = sum(chunk["byte_count"] for chunk in chunks)
    return {"columns": columns, "chunks": chunks, "rows": len(rows.rows), "bytes": size, "truncated": False}


def make_folder(statement_id: UUID) -> Path:
    """The folder of a result, for this process's account only."""
    folder = result_folder(statement_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _render(rows: Rows, format_: str) -> bytes:
    if format_ == "JSON_ARRAY":
        return json.dumps(rows.rows, ensure_ascii=False).encode()
    if format_ == "CSV":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows.columns)
        writer.writerows(["null" if cell is None else cell for cell in row] for row in rows.rows)
        return text.getvalue().encode()
    import pyarrow as pa  # Slow import; only who asks for Arrow pays for it.

    schema = pa.schema([(name, pa.string()) for name in rows.columns])
    arrays = [pa.array([row[position] for row in rows.rows], pa.string()) for position in range(len(schema))]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_batch(pa.record_batch(arrays, schema=schema))
    return bytes(sink.getvalue())


def link_to_chunk(actor: Actor, statement: SqlStatement, index: int) -> tuple[str, datetime]:
    """A signed text by which whoever holds it reads one chunk for a while, and when that ends."""
    expires = timezone.now() + timedelta(seconds=settings.SIGNED_URL_SECONDS)
    if actor.token is not None and actor.token.expires_at is not None:
        expires = min(expires, actor.token.expires_at)
    until = int(expires.timestamp())
    claim = {"statement": str(statement.pk), "chunk": index, "until": until, "token": actor.token_id}
    return signing.Signer(salt=_SALT, sep=".").sign_object(claim), expires


def open_link(*, signed: str, context: RequestContext) -> tuple[Actor, UUID, int]:
    """The creator as it is now, the statement and the chunk behind a signed text.

    Raises:
        AccessDenied: not signed by this server, expired, its creator disabled, or the token revoked that asked.
    """
    try:
        claim = signing.Signer(salt=_SALT, sep=".").unsign_object(signed)
        statement = SqlStatement.objects.get(pk=claim["statement"])
    except (signing.BadSignature, ValueError, KeyError, TypeError, SqlStatement.DoesNotExist) as error:
        raise AccessDenied("This link is not valid: ask for the chunk again.") from error
    if timezone.now().timestamp() >= claim["until"]:
        raise AccessDenied("This link has expired: ask for the chunk again.")
    actor = actor_now(statement.actor_id, token=claim.get("token", ""), context=context)
    return actor, statement.pk, int(claim["chunk"])
