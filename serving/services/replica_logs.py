"""What the replicas of a served entity have written: from their files while they run, from their rows after that."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from serving.models import Replica, ServedEntity
from serving.services.replica_records import ALIVE

TAIL_BYTES = 256 * 1024
MOST_REPLICAS = 16
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""What libraries write for terminals, MLflow's warnings among them."""


@dataclass(frozen=True)
class ReplicaLog:
    """One replica's last lines. `is_live`: it may write more."""

    id: UUID
    state: str
    created_at: datetime
    reason: str
    text: str
    is_live: bool


def log_path(replica_id: UUID) -> Path:
    """Where a replica writes while it runs."""
    return Path(settings.SERVING_ROOT) / "replicas" / str(replica_id) / "log"


def read_tail(path: Path, count: int = TAIL_BYTES) -> str:
    """The end of a log that may be written to meanwhile, without its colours; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - count))
            text = file.read(count).decode(errors="replace").replace("\x00", "")
    except OSError:
        return ""
    return _COLOURS.sub("", text)


def replica_logs(entity: ServedEntity) -> list[ReplicaLog]:
    """The logs of an entity's latest replicas, newest first. One query. Whoever calls has checked the right."""
    found = []
    for row in Replica.objects.filter(entity=entity)[:MOST_REPLICAS]:
        is_live = row.state in ALIVE
        # Roles share the folder, on whatever host a replica runs.
        text = (read_tail(log_path(row.pk)) if is_live else "") or row.log_tail
        found.append(ReplicaLog(row.pk, row.state, row.created_at, row.reason, text, is_live))
    return found


def logs_text(entity: ServedEntity) -> str:
    """All of it as one text, oldest replica first: what clients read as `logs`."""
    parts = []
    for log in reversed(replica_logs(entity)):
        head = f"[{log.created_at:%Y-%m-%d %H:%M:%S}] replica {log.id} {log.state}"
        parts.append("\n".join(part for part in (head, log.text.rstrip(), log.reason) if part))
    return "\n".join(parts)
