"""What registering a model of a run would take, told before anybody asks for it."""

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.conf import settings

from registry.errors import FileMissing
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.mlmodel import MLMODEL, UnusableModel, check_mlmodel
from registry.services.registrations import source_tree
from registry.services.write_plans import Destination, Need, plan_destination
from registry.storage.trees import tree_store

_MOST_FILES = 2000


@dataclass
class RegistrationPlan:
    """A registration that could be asked for."""

    source: str
    destination: Destination | None = None
    signature: dict[str, Any] = field(default_factory=dict)
    file_count: int = 0
    size_bytes: int = 0
    is_whole: bool = True
    """Whether all files were counted; of very many, only the first are."""
    blockers: list[str] = field(default_factory=list)

    @property
    def needs(self) -> list[Need]:
        """The rights that it takes on the destination."""
        return self.destination.needs if self.destination else []

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way that is known now; the registration asks the gate again."""
        return not self.blockers and self.destination is not None and self.destination.open


@audited_read
def plan_registration(
    *, actor: Actor, source: str, name: str = "", create_containers: bool = False
) -> RegistrationPlan:
    """Whether the files are a model with a signature, how large they are, and which rights the destination takes.

    Without `name` only the source is looked at; with `create_containers`, what is missing above the model is made.
    Asks the tracking server once or twice; changes nothing.

    Raises:
        NotFound: the run, logged model or its experiment is missing or hidden.
        InvalidParameter: not a source that the server can read, no model in it, or not a name of a model.
        Unavailable.
    """
    tree = source_tree(actor=actor, source=source)
    plan = RegistrationPlan(source)
    try:
        _, plan.signature = check_mlmodel(_read(f"{tree}/{MLMODEL}"))
    except UnusableModel as error:
        plan.blockers.append(error.message)
    files = list(islice((entry for entry in tree_store().walk(tree) if not entry.is_directory), _MOST_FILES + 1))
    plan.is_whole, files = len(files) <= _MOST_FILES, files[:_MOST_FILES]
    plan.file_count, plan.size_bytes = len(files), sum(entry.size for entry in files)
    if name:
        plan.destination = plan_destination(actor=actor, name=name, create_containers=create_containers)
        plan.blockers += plan.destination.blockers
    return plan


def _read(path: str) -> bytes | None:
    with suppress(FileMissing), tree_store().read(path) as source:
        return source.read(settings.MAX_MLMODEL_BYTES)
    return None
