"""Reads decisions.toml, and gives somebody the rights that a cell speaks of."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from registry.models import ADMINS, Grant, Membership, ModelVersion, Principal, Securable
from registry.privileges import GRANTABLE, Privilege, SecurableType

FILE = Path(__file__).with_name("decisions.toml")
MISSING = ("none", "USE_CATALOG", "USE_SCHEMA")
OUTCOMES = {"ok", "own", "401", "403", "404"}
COMMON_ACTORS = (
    "anonymous",
    "outsider",
    "BROWSE",
    "EXECUTE",
    "APPLY_TAG",
    "CREATE_MODEL_VERSION",
    "MANAGE",
    "ALL_PRIVILEGES",
    "owner",
    "owner through nested group",
    "schema owner",
    "catalog owner",
    "metastore admin",
)
_NEAREST = {
    SecurableType.METASTORE: (SecurableType.METASTORE, SecurableType.CATALOG, SecurableType.SCHEMA),
    SecurableType.CATALOG: (SecurableType.CATALOG, SecurableType.METASTORE),
    SecurableType.SCHEMA: (SecurableType.SCHEMA, SecurableType.CATALOG, SecurableType.METASTORE),
    SecurableType.REGISTERED_MODEL: (SecurableType.REGISTERED_MODEL, SecurableType.SCHEMA, SecurableType.CATALOG),
    SecurableType.TABLE: (SecurableType.TABLE, SecurableType.SCHEMA, SecurableType.CATALOG),
}


@dataclass(frozen=True)
class Row:
    """One line of a table: one action, one actor, an outcome for each missing parent."""

    on: SecurableType
    action: str
    actor: str
    outcomes: dict[str, str]


def read_rows() -> list[Row]:
    return [
        Row(SecurableType(block["on"]), action, actor, outcomes)
        for block in _content()["decision"]
        for actor, outcomes in _table(block["cells"])
        for action in block["actions"]
    ]


def _table(text: str) -> list[tuple[str, dict[str, str]]]:
    header, *lines = (line for line in text.splitlines() if line.strip())
    assert tuple(header.split()) == MISSING
    rows = [line.rsplit(maxsplit=3) for line in lines]
    return [(actor.strip(), dict(zip(MISSING, outcomes, strict=True))) for actor, *outcomes in rows]


def _content():
    return tomllib.loads(FILE.read_text())


@dataclass(frozen=True)
class Spec:
    """What an actor of the file holds and owns."""

    holds: tuple[Privilege, ...] = ()
    owns: str = ""
    through_groups: bool = False
    admin: bool = False


def read_actors() -> dict[str, Spec]:
    return {
        name: Spec(
            holds=tuple(Privilege(text) for text in given.get("holds", ())),
            owns=given.get("owns", ""),
            through_groups=given.get("through_groups", False),
            admin=given.get("admin", False),
        )
        for name, given in _content()["actors"].items()
    }


@dataclass(frozen=True)
class Names:
    """The short names that calls are made with."""

    catalog: str = "prod"
    schema: str = "ml"
    model: str = "ranker"
    table: str = "clicks"

    @property
    def schema_full(self) -> str:
        return f"{self.catalog}.{self.schema}"

    @property
    def model_full(self) -> str:
        return f"{self.schema_full}.{self.model}"

    @property
    def table_full(self) -> str:
        return f"{self.schema_full}.{self.table}"

    def of(self, kind: SecurableType) -> str:
        """The full name of the object of that kind."""
        return {
            SecurableType.METASTORE: "metastore",
            SecurableType.CATALOG: self.catalog,
            SecurableType.SCHEMA: self.schema_full,
            SecurableType.REGISTERED_MODEL: self.model_full,
            SecurableType.TABLE: self.table_full,
        }[kind]

    def short(self, kind: SecurableType) -> str:
        return self.of(kind).rpartition(".")[2]

    def twin(self, kind: SecurableType) -> "Names":
        """The same with a name of that kind that nothing has."""
        attribute = "model" if kind == SecurableType.REGISTERED_MODEL else kind.lower()
        return replace(self, **{attribute: "absent"})


@dataclass(frozen=True)
class World:
    """A metastore > prod > ml > ranker, clicks, and `subject`, who is given what a cell says."""

    objects: dict[SecurableType, Securable]
    subject: Principal
    token: str
    admin: Principal
    outer_group: Principal
    inner_group: Principal
    pending: ModelVersion
    names: Names = Names()

    def arrange(self, on: SecurableType, spec: Spec, missing: str) -> None:
        """Give the subject its rights. Undone by rolling back."""
        for kind, use in (
            (SecurableType.CATALOG, Privilege.USE_CATALOG),
            (SecurableType.SCHEMA, Privilege.USE_SCHEMA),
        ):
            if use != missing:
                self.grant(kind, use)
        for privilege in spec.holds:
            self.grant(held_on(privilege, on), privilege)
        if spec.owns:
            owner = self.outer_group if spec.through_groups else self.subject
            kind = on if spec.owns == "OBJECT" else SecurableType(spec.owns)
            Securable.objects.filter(pk=self.objects[kind].pk).update(owner=owner)
        if spec.through_groups:
            Membership.objects.create(group=self.inner_group, member=self.subject)
        if spec.admin:
            Membership.objects.create(group=Principal.objects.get(key=ADMINS), member=self.subject)

    def grant(self, kind: SecurableType, privilege: Privilege) -> None:
        Grant.objects.create(securable=self.objects[kind], principal=self.subject, privilege=privilege)


def held_on(privilege: Privilege, on: SecurableType) -> SecurableType:
    """The nearest kind of securable on which a privilege may be granted."""
    return next(kind for kind in _NEAREST[on] if privilege in GRANTABLE[kind])
