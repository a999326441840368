"""What it takes to add a version to a model, there or not yet: told before anybody asks for it. Changes nothing."""

from dataclasses import dataclass, field

from registry.errors import InvalidParameter, NotFound
from registry.models import RegisteredModel, Securable
from registry.names import check_alias, check_name, lookup_key, split_model_name
from registry.privileges import Action, Privilege, SecurableType
from registry.services.access import gather_facts, not_found_message
from registry.services.actors import Actor
from registry.services.model_lookup import find_model
from registry.services.securables import find_known, metastore


@dataclass(frozen=True)
class Need:
    """A right that a step takes: what, on what, whom to ask for it, and whether the actor has it."""

    what: str
    securable: Securable
    met: bool

    @classmethod
    def of(cls, *, actor: Actor, action: Action, securable: Securable, what: str) -> "Need":
        """The right to do `action`; where it is lacking, the first thing that is. One query."""
        missing = gather_facts(actor=actor, securable=securable).missing_to(action)
        if missing is None:
            return cls(what, securable, met=True)
        return cls(missing.what, missing.securable, met=False)


@dataclass
class Destination:
    """The model that would take a new version, and what stands in the way."""

    name: str
    model: RegisteredModel | None = None
    creates: list[str] = field(default_factory=list)
    """Full names of the catalog and the schema that would be made with the model."""
    needs: list[Need] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    alias: str = ""
    alias_from: int | None = None

    @property
    def next_version(self) -> int:
        """The number that the version would get, if nobody is faster."""
        return self.model.last_version + 1 if self.model else 1

    @property
    def open(self) -> bool:
        """Whether nothing stands in the way that is known now."""
        return not self.blockers and all(need.met for need in self.needs)


def plan_destination(*, actor: Actor, name: object, alias: str = "", create_containers: bool = False) -> Destination:
    """What a new version of that model would take; with `alias`, also setting that on it. At most nine queries.

    With `create_containers`, what is missing above the model is made with it. What the actor may not know of reads as
    what is not there yet.

    Raises:
        InvalidParameter: not the name of a model.
    """
    catalog, schema, short = split_model_name(name, field="destination")
    check_name(short, field="destination")
    destination = Destination(f"{catalog}.{schema}.{short}")
    found = _known_model(actor, destination.name)
    if found is None:
        _plan_new_model(actor, destination, catalog, f"{catalog}.{schema}", create_containers=create_containers)
    else:
        _plan_next_version(actor, destination, found)
    if alias:
        _plan_alias(actor, destination, alias)
    return destination


def _known_model(actor: Actor, name: str) -> RegisteredModel | None:
    try:
        model = find_model(name)
    except NotFound:
        return None
    facts = gather_facts(actor=actor, securable=model.securable)
    return model if facts.visible or facts.known_directly else None


def _plan_next_version(actor: Actor, destination: Destination, model: RegisteredModel) -> None:
    destination.model, destination.name = model, model.securable.full_name
    destination.needs.append(
        Need.of(
            actor=actor,
            action=Action.CREATE_VERSION,
            securable=model.securable,
            what=Privilege.CREATE_MODEL_VERSION,
        )
    )


def _plan_new_model(
    actor: Actor, destination: Destination, catalog_name: str, schema_name: str, *, create_containers: bool
) -> None:
    schema = find_known(actor=actor, type_=SecurableType.SCHEMA, full_name=schema_name)
    if schema is not None:
        _plan_child(actor, destination, Action.CREATE_MODEL, schema, destination.name)
    elif create_containers:
        _plan_containers(actor, destination, catalog_name, schema_name)
    else:
        hidden = not_found_message(SecurableType.SCHEMA, schema_name)
        destination.blockers.append(f"{hidden} Create it with the model, or choose another.")


def _plan_containers(actor: Actor, destination: Destination, catalog_name: str, schema_name: str) -> None:
    for part in schema_name.split("."):
        check_name(part, field="destination")
    catalog = find_known(actor=actor, type_=SecurableType.CATALOG, full_name=catalog_name)
    destination.creates = [schema_name] if catalog else [catalog_name, schema_name]
    if catalog is None:
        # Who makes a catalog owns it, and may make schemas in it.
        _plan_child(actor, destination, Action.CREATE_CATALOG, metastore(), catalog_name)
    else:
        _plan_child(actor, destination, Action.CREATE_SCHEMA, catalog, schema_name)


_CHILDREN = {
    Action.CREATE_CATALOG: (SecurableType.CATALOG, Privilege.CREATE_CATALOG),
    Action.CREATE_SCHEMA: (SecurableType.SCHEMA, Privilege.CREATE_SCHEMA),
    Action.CREATE_MODEL: (SecurableType.REGISTERED_MODEL, Privilege.CREATE_MODEL),
}


def _plan_child(actor: Actor, destination: Destination, action: Action, parent: Securable, full_name: str) -> None:
    type_, privilege = _CHILDREN[action]
    need = Need.of(actor=actor, action=action, securable=parent, what=privilege)
    destination.needs.append(need)
    # Who may create here learns that a name is taken anyway, by trying.
    taken = parent.children.filter(type=type_, key=lookup_key(full_name.rpartition(".")[2]))
    if need.met and taken.exists():
        noun = "model" if type_ == SecurableType.REGISTERED_MODEL else type_.lower()
        destination.blockers.append(f"A {noun} that you may not see is called {full_name} already.")


def _plan_alias(actor: Actor, destination: Destination, alias: str) -> None:
    try:
        destination.alias = check_alias(alias)
    except InvalidParameter as error:
        destination.blockers.append(error.message)
        return
    # Who makes a model owns it, and may set its aliases.
    if destination.model is None:
        return
    securable = destination.model.securable
    destination.needs.append(
        Need.of(actor=actor, action=Action.SET_ALIAS, securable=securable, what="ownership or MANAGE")
    )
    held = destination.model.aliases.select_related("version").filter(key=lookup_key(alias)).first()
    destination.alias_from = held.version.version if held else None
