"""News of the registry, for the apps that build on it. Sent after commit, and receivers must not raise, but for the
first, which is sent inside the transaction of the change.
"""

from django.dispatch import Signal

model_changed = Signal()
"""securable: Securable of a model, with its parents; changes: list of (event, facts).

Events are named as MLflow names them (`model_version_tag.set`), facts are what its payloads hold besides the model's
name. Sent inside the transaction: what a receiver writes stands or falls with the change.
"""

model_version_ready = Signal()
"""version: ModelVersion. A version has become READY."""

model_version_deleted = Signal()
"""model_id, version_id: UUIDs of what is gone."""

alias_moved = Signal()
"""model: RegisteredModel, alias: str, version: ModelVersion | None (None: the alias was removed)."""

grants_changed = Signal()
"""securable_id: UUID. Grants or ownership on it changed; cached verdicts below it are stale."""
