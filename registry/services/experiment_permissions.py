"""Who has which level on an experiment: shown to its readers, changed by those who manage it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.errors import InvalidParameter, NotFound
from registry.models import Experiment, ExperimentGrant, ExperimentLevel, Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read
from registry.services.experiments import (
    DEFAULT_EXPERIMENT,
    check_level,
    ensure_default_experiment,
    record_change,
    require_level,
)
from registry.services.tracking import ask, missing_experiment

FIELD_OF_KIND = {
    PrincipalKind.USER: "user_name",
    PrincipalKind.GROUP: "group_name",
    PrincipalKind.SERVICE_PRINCIPAL: "service_principal_name",
}
"""The word that names a principal of each kind in an access control list."""


@dataclass(frozen=True)
class Permission:
    """One principal's level. The owner's is CAN_MANAGE and cannot be taken away."""

    principal: Principal
    level: ExperimentLevel


@audited_read
def list_permissions(*, actor: Actor, experiment_id: str) -> list[Permission]:
    """The owner first, then every grant by name. Needs CAN_READ.

    Raises:
        NotFound: no such experiment, or one that the actor may not read.
    """
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ)
    return _permissions(_find(actor, experiment_id))


@audited
def update_permissions(
    *, actor: Actor, experiment_id: str, access_control_list: Sequence[object], replace: bool
) -> list[Permission]:
    """Give levels to principals; with `replace`, take away every grant that the list does not name. Needs CAN_MANAGE.

    Raises:
        NotFound: no such experiment, one that the actor may not read, or an unknown principal in the list.
        AccessDenied: the actor may read the experiment and not manage it.
        InvalidParameter: an entry without one principal and one level.
    """
    action = "changeMlflowExperimentAcl"
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_MANAGE, action=action)
    wanted = _read_list(access_control_list)
    experiment = _find(actor, experiment_id, lock=True)
    before = _by_name(experiment)
    if replace:
        experiment.grants.exclude(principal__in=list(wanted)).delete()
    for principal, level in wanted.items():
        ExperimentGrant.objects.update_or_create(
            experiment=experiment, principal=principal, defaults={"level": level}
        )
    record_change(actor=actor, experiment=experiment, action=action, before=before, after=_by_name(experiment))
    return _permissions(experiment)


def _find(actor: Actor, experiment_id: str, *, lock: bool = False) -> Experiment:
    """The experiment's row. A metastore admin who names one without a row takes it over, if it really exists."""
    if experiment_id == DEFAULT_EXPERIMENT:
        ensure_default_experiment()
    rows = Experiment.objects.select_for_update(of=("self",)) if lock else Experiment.objects.all()
    experiment = rows.select_related("owner").filter(pk=experiment_id).first()
    if experiment is not None:
        return experiment
    if not experiment_id.isdecimal():
        raise NotFound(missing_experiment(experiment_id))
    found = ask("GET", "/api/2.0/mlflow/experiments/get", query=[("experiment_id", experiment_id)])
    experiment = Experiment(pk=experiment_id, name=found["experiment"]["name"], owner=actor.principal)
    if lock:
        experiment.save(force_insert=True)
    return experiment


def _permissions(experiment: Experiment) -> list[Permission]:
    permissions = [Permission(experiment.owner, ExperimentLevel.CAN_MANAGE)]
    grants = experiment.grants.select_related("principal").exclude(principal_id=experiment.owner_id)
    permissions += [
        Permission(grant.principal, ExperimentLevel(grant.level)) for grant in grants.order_by("principal__key")
    ]
    return permissions


def _by_name(experiment: Experiment) -> dict[str, str]:
    return dict(experiment.grants.order_by("principal__key").values_list("principal__name", "level"))


def _read_list(entries: Sequence[object]) -> dict[Principal, ExperimentLevel]:
    """What each entry gives to whom; of two entries for one principal the later counts."""
    wanted: dict[Principal, ExperimentLevel] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise InvalidParameter(
                "Each entry of 'access_control_list' must be an object.", field="access_control_list"
            )
        wanted[find_principal(entry)] = check_level(entry.get("permission_level"))
    return wanted


def find_principal(entry: Mapping[str, object]) -> Principal:
    """Whom an entry of an access control list names.

    Raises:
        InvalidParameter: nobody, or several.
        NotFound: nobody that there is.
    """
    named = [(kind, entry[field]) for kind, field in FIELD_OF_KIND.items() if entry.get(field)]
    if len(named) != 1:
        fields = ", ".join(FIELD_OF_KIND.values())
        raise InvalidParameter(
            f"Each entry of 'access_control_list' must name one of {fields}.", field="access_control_list"
        )
    kind, name = named[0]
    principal = Principal.objects.filter(key=str(name).strip().lower(), kind=kind).first()
    if principal is None:
        raise NotFound(f"{PrincipalKind(kind).label} '{name}' does not exist.")
    return principal
