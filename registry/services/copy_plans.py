"""What copying a version would take and do, told before anybody asks for it."""

from dataclasses import dataclass

from registry.models import ModelVersion, VersionStatus
from registry.privileges import Action, Privilege
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import visible_version
from registry.services.write_plans import Destination, Need, plan_destination

MOVED_BYTES = 0
"""A copy names the bytes of its source, whatever their number: none moves."""


@dataclass(frozen=True)
class CopyPlan:
    """A copy that could be asked for."""

    source: ModelVersion
    destination: Destination
    needs: list[Need]
    blockers: list[str]

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way that is known now; the copy asks the gate again."""
        return not self.blockers and all(need.met for need in self.needs)


@audited_read
def plan_copy(
    *,
    actor: Actor,
    source_name: object,
    source_version: object,
    destination_name: object,
    alias: str = "",
    create_containers: bool = False,
) -> CopyPlan:
    """The rights that copying this version there takes, on both sides, and what else stands in the way.

    With `alias`, also those to set it on the copy; with `create_containers`, those to make the schema and the catalog
    that are missing. At most fifteen queries. Changes nothing.

    Raises:
        NotFound: no such version, or one of a model that the actor may not see.
        InvalidParameter: not a name of a model.
    """
    source = visible_version(actor=actor, name=source_name, version=source_version)
    securable = source.model.securable
    need = Need.of(actor=actor, action=Action.LOAD_VERSION, securable=securable, what=Privilege.EXECUTE)
    destination = plan_destination(
        actor=actor, name=destination_name, alias=alias, create_containers=create_containers
    )
    blockers = list(destination.blockers)
    if source.status != VersionStatus.READY:
        blockers.insert(0, f"Version {source.version} is {source.status}: only a READY version can be copied.")
    return CopyPlan(source, destination, [need, *destination.needs], blockers)
