"""The manifest of a version as a flat list of keys, as object-store clients list. No rights are checked here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from registry.services.statements import fetch


@dataclass(frozen=True)
class Key:
    """A file, or with a delimiter all files below one name; then size is 0 and `sha256` empty."""

    name: str
    is_prefix: bool
    size: int
    sha256: str
    modified_at: datetime


_KEYS = """
SELECT name, bool_or(below), sum(size), max(sha256), max(modified_at) FROM (
    SELECT CASE WHEN %s AND position('/' in rest) > 0 THEN %s || split_part(rest, '/', 1) || '/' ELSE path END
               COLLATE "C" AS name,
           %s AND position('/' in rest) > 0 AS below, size, sha256, modified_at
    FROM (
        SELECT entry.path, substr(entry.path, %s) AS rest, blob.size, blob.sha256, entry.modified_at
        FROM registry_manifestentry entry JOIN registry_blob blob ON blob.sha256 = entry.blob_id
        WHERE entry.version_id = %s AND starts_with(entry.path, %s)
    ) files
) names
WHERE name > %s GROUP BY name ORDER BY name LIMIT %s
"""


def list_keys(version_id: UUID, *, prefix: str, folded: bool, after: str, limit: int) -> list[Key]:
    """At most `limit` keys that begin with `prefix`, in the order of their bytes, behind `after`. One query.

    With `folded`, keys that go on with a name and a slash behind the prefix are one line each.
    """
    rows = fetch(_KEYS, [folded, prefix, folded, len(prefix) + 1, version_id, prefix, after, limit])
    return [
        Key(name, is_prefix=below, size=0 if below else int(size), sha256="" if below else sha256, modified_at=moment)
        for name, below, size, sha256, moment in rows
    ]
