"""What scoring a table would take and do, told before anybody asks for it. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry.errors import InvalidParameter, ModelkeepError
from registry.models import ModelVersion, Securable, Table, VersionStatus
from registry.names import check_name, lookup_key
from registry.privileges import Action, Privilege, SecurableType
from registry.services.access import not_found_message
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import visible_version, visible_version_by_alias
from registry.services.securables import find_known
from registry.services.table_data import folder_of
from registry.services.table_uploads import CREATE, MODES
from registry.services.write_plans import Need
from serving.models import EnvironmentState, VersionEnvironment

if TYPE_CHECKING:
    from serving.services.scoring_values import Match


@dataclass(frozen=True)
class ScoringRequest:
    """What is asked for. `version` is a number, or else `alias` names one; without `columns` all of the source's."""

    name: str
    source: str
    target: str
    version: object = None
    alias: str = ""
    mode: str = CREATE
    columns: Sequence[str] = ()
    input_columns: Sequence[str] = ()


@dataclass
class ScoringPlan:
    """A scoring that could be asked for, as the source is now."""

    version: ModelVersion
    source: str
    target: str
    mode: str
    needs: list[Need] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    source_version: int | None = None
    rows: int | None = None
    matches: "list[Match]" = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    prediction: str = ""
    is_environment_ready: bool = False
    is_named: bool = True
    """Whether the model finds its inputs by name; else columns are to be chosen for them."""

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way that is known now; scoring asks the gate again."""
        return not self.blockers and all(need.met for need in self.needs)


@audited_read
def plan_scoring(*, actor: Actor, asked: ScoringRequest) -> ScoringPlan:
    """The rights that it takes, which columns the model reads, how many rows there are, and what stands in the way.

    At most fifteen queries; of the source, only its log is read.

    Raises:
        NotFound: no such version, or one of a model that the actor may not see.
        InvalidParameter: not names of tables, or an unknown mode.
    """
    version = version_asked(actor, asked)
    plan = ScoringPlan(version, asked.source, asked.target, asked.mode)
    model = version.model.securable
    plan.needs.append(Need.of(actor=actor, action=Action.LOAD_VERSION, securable=model, what=Privilege.EXECUTE))
    if version.status != VersionStatus.READY:
        plan.blockers.append(f"Version {version.version} is {version.status}: only a READY version can score.")
    link = VersionEnvironment.objects.select_related("environment").filter(version=version).first()
    plan.is_environment_ready = link is not None and link.environment.state == EnvironmentState.READY
    source = _plan_source(actor, plan)
    target = _plan_target(actor, plan)
    if source is not None:
        _plan_columns(plan, asked, source, target)
    return plan


def version_asked(actor: Actor, asked: ScoringRequest) -> ModelVersion:
    """The version that is meant, for who may see its model, once the request makes sense.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: not names of tables, an unknown mode, neither a number nor an alias, or both.
    """
    for name, field_name in ((asked.source, "source"), (asked.target, "target")):
        table_names(name, field_name)
    if asked.mode not in MODES:
        raise InvalidParameter(f"'mode' is '{asked.mode[:50]}': use {', '.join(MODES)}.", field="mode")
    if (asked.version in (None, "")) == (not asked.alias):
        raise InvalidParameter("Give either 'version', a number, or 'alias'.", field="version")
    if asked.alias:
        return visible_version_by_alias(actor=actor, name=asked.name, alias=asked.alias)
    return visible_version(actor=actor, name=asked.name, version=asked.version)


def table_names(full_name: str, field_name: str) -> tuple[str, str, str]:
    """Catalog, schema and table.

    Raises:
        InvalidParameter: not three levels.
    """
    names = full_name.split(".")
    if len(names) != 3 or not all(names):
        raise InvalidParameter(
            f"'{field_name}' is '{full_name[:200]}': write catalog.schema.table.", field=field_name
        )
    check_name(names[2], field=field_name)
    return names[0], names[1], names[2]


def _plan_source(actor: Actor, plan: ScoringPlan) -> Securable | None:
    """The source, if its columns may be looked at."""
    source = find_known(actor=actor, type_=SecurableType.TABLE, full_name=plan.source)
    if source is None:
        plan.blockers.append(not_found_message(SecurableType.TABLE, plan.source))
        return None
    need = Need.of(actor=actor, action=Action.SELECT_TABLE, securable=source, what=Privilege.SELECT)
    plan.needs.append(need)
    return _with_rows(plan, source) if need.met else None


def _with_rows(plan: ScoringPlan, table: Securable) -> Securable | None:
    if (folder_of(table.pk) / "_delta_log").is_dir():
        return table
    plan.blockers.append(f"Table '{table.full_name}' keeps its rows elsewhere: only tables made here can be used.")
    return None


def _plan_target(actor: Actor, plan: ScoringPlan) -> Securable | None:
    """The target, if it is there and may be written to."""
    found = find_known(actor=actor, type_=SecurableType.TABLE, full_name=plan.target)
    if plan.mode == CREATE:
        _plan_new_target(actor, plan, found)
        return None
    if found is None:
        plan.blockers.append(f"{not_found_message(SecurableType.TABLE, plan.target)} Create it, or choose another.")
        return None
    if lookup_key(plan.target) == lookup_key(plan.source):
        plan.blockers.append("The target is the source: write the scored rows to another table.")
        return None
    need = Need.of(actor=actor, action=Action.MODIFY_TABLE, securable=found, what=Privilege.MODIFY)
    plan.needs.append(need)
    return _with_rows(plan, found) if need.met else None


def _plan_new_target(actor: Actor, plan: ScoringPlan, found: Securable | None) -> None:
    catalog, schema_name, short = table_names(plan.target, "target")
    schema = find_known(actor=actor, type_=SecurableType.SCHEMA, full_name=f"{catalog}.{schema_name}")
    if schema is None:
        plan.blockers.append(not_found_message(SecurableType.SCHEMA, f"{catalog}.{schema_name}"))
        return
    need = Need.of(actor=actor, action=Action.CREATE_TABLE, securable=schema, what=Privilege.CREATE_TABLE)
    plan.needs.append(need)
    # Who may create here learns that a name is taken anyway, by trying.
    taken = need.met and schema.children.filter(type=SecurableType.TABLE, key=lookup_key(short)).exists()
    if found is not None or taken:
        plan.blockers.append(f"Table '{plan.target}' exists: append to it, overwrite it, or choose another name.")


def _plan_columns(plan: ScoringPlan, asked: ScoringRequest, source: Securable, target: Securable | None) -> None:
    """What the model reads of each row, and what each scored row holds."""
    from serving.services import scoring_batches as batches
    from serving.services import scoring_values as values

    signature: dict[str, Any] = plan.version.signature
    try:
        pinned = batches.PinnedTable(folder_of(source.pk))
        plan.source_version, plan.rows = pinned.version, pinned.rows
        plan.is_named = values.names_its_inputs(signature)
        plan.matches = values.match_inputs(signature, pinned.schema, asked.input_columns)
    except ModelkeepError as error:
        plan.blockers.append(error.message)
        return
    except values.Misfit as misfit:
        plan.blockers.append(str(misfit))
        return
    plan.blockers += [
        f"Input '{match.input}' ({match.type}): {match.problem}" for match in plan.matches if match.problem
    ]
    known = {name.lower(): name for name in pinned.schema.names}
    unknown = [name for name in asked.columns if name.lower() not in known]
    if unknown:
        plan.blockers.append(
            f"The source has no column '{unknown[0]}': it has {', '.join(pinned.schema.names[:20])}."
        )
        return
    plan.columns = list(dict.fromkeys(known[name.lower()] for name in asked.columns)) or pinned.schema.names
    facts = {name for name, _ in batches.FACTS}
    plan.blockers += [
        f"Scored rows have a column '{name}' of their own: keep other columns of the source without it."
        for name in plan.columns
        if name.lower() in facts
    ]
    prediction = values.prediction_type(signature)
    plan.prediction = str(prediction)
    if target is not None and not plan.blockers:
        schema = batches.scored_schema(pinned.schema, plan.columns, prediction)
        plan.blockers += batches.misfits(schema, batches.schema_of(folder_of(target.pk)), required_columns(target))


def required_columns(table: Securable) -> list[str]:
    """The columns of a table that may not be NULL. One query."""
    columns = Table.objects.get(pk=table.pk).columns
    return [str(column["name"]) for column in columns if column.get("nullable") is False]
