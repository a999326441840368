"""Rights on experiments: an owner, and grants of CAN_READ < CAN_EDIT < CAN_MANAGE.

The owner (a user, service principal or group) and every metastore admin have CAN_MANAGE. An experiment that has no
row here was made behind our back: metastore admins alone may see it. The one exception is the tracking server's own
Default experiment, which belongs to the group `admins` and is open to all at the level of a setting.
"""

from collections.abc import Iterable
from typing import NoReturn

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from registry.errors import AccessDenied, InvalidParameter
from registry.models import (
    ACCOUNT_USERS,
    ADMINS,
    Experiment,
    ExperimentGrant,
    ExperimentLevel,
    Principal,
)
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.tracking import missing_experiment

DEFAULT_EXPERIMENT = "0"
SERVICE = "mlflowExperiment"
LEVELS = [ExperimentLevel.CAN_READ, ExperimentLevel.CAN_EDIT, ExperimentLevel.CAN_MANAGE]
_ACTION = {
    ExperimentLevel.CAN_READ: "getMlflowExperiment",
    ExperimentLevel.CAN_EDIT: "updateMlflowExperiment",
    ExperimentLevel.CAN_MANAGE: "manageMlflowExperiment",
}


class HiddenExperiment(HiddenFromActor):
    """A missing experiment, or one the actor may not know of: both read the same."""

    def __init__(self, message: str, *, action: str) -> None:
        super(HiddenFromActor, self).__init__(message)
        self.action = action


class DeniedOnExperiment(AccessDenied):
    """The experiment may be read, and the actor's level on it is too low."""

    def __init__(self, message: str, *, action: str, missing: str, securable: str, owner: str) -> None:
        super().__init__(message, missing=missing, securable=securable, owner=owner)
        self.action = action


def levels_of(*, actor: Actor, experiment_ids: Iterable[str]) -> dict[str, ExperimentLevel]:
    """The actor's level on each of these experiments that it may read. Costs one query, none for metastore admins.

    A metastore admin has CAN_MANAGE on whatever it names, whether it exists or not.
    """
    wanted = set(experiment_ids)
    if actor.is_metastore_admin:
        return dict.fromkeys(wanted, ExperimentLevel.CAN_MANAGE)
    if DEFAULT_EXPERIMENT in wanted:
        ensure_default_experiment()
    levels: dict[str, ExperimentLevel] = {}
    rows = Experiment.objects.filter(pk__in=wanted).values_list(
        "pk", "owner_id", "grants__principal_id", "grants__level"
    )
    for experiment_id, owner_id, principal_id, level in rows:
        if owner_id in actor.principal_ids:
            levels[experiment_id] = ExperimentLevel.CAN_MANAGE
        elif principal_id in actor.principal_ids:
            held = ExperimentLevel(level)
            levels[experiment_id] = max(held, levels.get(experiment_id, held), key=LEVELS.index)
    return levels


def readable_ids(*, actor: Actor, experiment_ids: Iterable[str]) -> set[str]:
    """Which of these experiments the actor may read. Costs one query."""
    return set(levels_of(actor=actor, experiment_ids=experiment_ids))


def newest_readable_ids(*, actor: Actor, most: int) -> list[str]:
    """The experiments made last of those that the actor may read. Costs one query."""
    rows = Experiment.objects.all()
    if not actor.is_metastore_admin:
        shared = ExperimentGrant.objects.filter(principal__in=actor.principal_ids).values("experiment")
        rows = rows.filter(Q(owner__in=actor.principal_ids) | Q(pk__in=shared))
    return list(rows.order_by("-created_at", "pk").values_list("pk", flat=True)[:most])


@audited_read
def require_level(
    *, actor: Actor, experiment_id: str, level: ExperimentLevel | str, hidden_as: str = "", action: str = ""
) -> None:
    """Let pass an actor that has this level on an experiment. Costs one or two queries.

    `hidden_as` is what a missing object would answer, when the experiment was reached through something in it.
    `action` is the audit trail's name for what was tried.

    Raises:
        NotFound: the actor may not read the experiment, or it does not exist: no difference shows.
        AccessDenied: the actor may read it, and its level is too low.
    """
    needed = ExperimentLevel(level)
    held = levels_of(actor=actor, experiment_ids=[experiment_id]).get(experiment_id)
    tried = action or _ACTION[needed]
    if held is None:
        raise HiddenExperiment(hidden_as or missing_experiment(experiment_id), action=tried)
    if LEVELS.index(held) < LEVELS.index(needed):
        _deny(experiment_id, held, needed, tried)


def _deny(experiment_id: str, held: ExperimentLevel, needed: ExperimentLevel, action: str) -> NoReturn:
    experiment = Experiment.objects.select_related("owner").get(pk=experiment_id)
    owner = experiment.owner.name
    raise DeniedOnExperiment(
        f"You have {held} on experiment '{experiment.name}' and this needs {needed}. Ask its owner, {owner}.",
        action=action,
        missing=str(needed),
        securable=experiment.name,
        owner=owner,
    )


@audited
def record_created(*, actor: Actor, experiment_id: str, name: str) -> Experiment:
    """Note that the actor made an experiment and owns it, with the grants that the settings give new ones."""
    experiment = Experiment.objects.create(experiment_id=experiment_id, name=name, owner=actor.principal)
    level = initial_access(name)
    if level is not None:
        _grant_everyone(experiment, level)
    record_change(actor=actor, experiment=experiment, action="createMlflowExperiment", after={"everyone": level})
    return experiment


def initial_access(name: str) -> ExperimentLevel | None:
    """What all account users get on a new experiment of that name; None: it is private."""
    prefix = settings.EXPERIMENT_SHARED_PREFIX
    access = settings.EXPERIMENT_DEFAULT_ACCESS
    if prefix and name.startswith(prefix):
        access = settings.EXPERIMENT_SHARED_ACCESS
    return ExperimentLevel(access) if access in ExperimentLevel.values else None


@audited
def record_renamed(*, actor: Actor, experiment_id: str, name: str) -> None:
    """Note an experiment's new name. Without a row there is nothing to note but the audit row."""
    experiment = Experiment.objects.select_for_update().filter(pk=experiment_id).first()
    before = experiment.name if experiment else None
    if experiment:
        experiment.name = name
        experiment.save(update_fields=["name"])
    record(
        actor=actor,
        action="renameMlflowExperiment",
        subject=("EXPERIMENT", experiment_id, name),
        before={"name": before},
        after={"name": name},
        service_name=SERVICE,
    )


@audited
def record_write(*, actor: Actor, experiment_id: str, action: str, params: dict[str, object]) -> None:
    """Note a deletion or restoration that the tracking server has done."""
    name = Experiment.objects.filter(pk=experiment_id).values_list("name", flat=True).first() or ""
    subject = ("EXPERIMENT", experiment_id, name)
    record(actor=actor, action=action, subject=subject, params=params, service_name=SERVICE)


def record_change(
    *, actor: Actor, experiment: Experiment, action: str, before: object = None, after: object = None
) -> None:
    """Add an audit row about an experiment to the open trail."""
    subject = ("EXPERIMENT", experiment.pk, experiment.name)
    record(actor=actor, action=action, subject=subject, before=before, after=after, service_name=SERVICE)


def check_level(level: object, *, field: str = "permission_level") -> ExperimentLevel:
    """A level from the wire.

    Raises:
        InvalidParameter: not one of the three.
    """
    if isinstance(level, str) and level in ExperimentLevel.values:
        return ExperimentLevel(level)
    raise InvalidParameter(f"'{field}' is {level!r}: it must be one of {', '.join(LEVELS)}.", field=field)


def ensure_default_experiment() -> None:
    """Give the tracking server's Default experiment its owner and its open level, once."""
    if Experiment.objects.filter(pk=DEFAULT_EXPERIMENT).exists():
        return
    admins = Principal.objects.filter(key=ADMINS).first()
    if admins is None:
        return
    with transaction.atomic():
        experiment, is_new = Experiment.objects.get_or_create(
            pk=DEFAULT_EXPERIMENT, defaults={"name": "Default", "owner": admins}
        )
        if is_new and settings.EXPERIMENT_ZERO_ACCESS in ExperimentLevel.values:
            _grant_everyone(experiment, ExperimentLevel(settings.EXPERIMENT_ZERO_ACCESS))


def _grant_everyone(experiment: Experiment, level: ExperimentLevel) -> None:
    everyone = Principal.objects.get(key=ACCOUNT_USERS)
    ExperimentGrant.objects.create(experiment=experiment, principal=everyone, level=level)
