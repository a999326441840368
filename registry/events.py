"""News of the registry, for the apps that build on it. Sent after commit; receivers must not raise."""

from django.dispatch import Signal

model_version_ready = Signal()
"""version: ModelVersion. A version has become READY."""

model_version_deleted = Signal()
"""model_id, version_id: UUIDs of what is gone."""

alias_moved = Signal()
"""model: RegisteredModel, alias: str, version: ModelVersion | None (None: the alias was removed)."""

grants_changed = Signal()
"""securable_id: UUID. Grants or ownership on it changed; cached verdicts below it are stale."""
