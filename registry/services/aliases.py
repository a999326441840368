"""Aliases: names that point at one version, with a history that only grows."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.errors import Conflict, InvalidParameter, LimitExceeded, NotFound
from registry.events import alias_moved, model_changed
from registry.models import AliasMove, ModelAlias, ModelVersion, RegisteredModel, VersionStatus
from registry.names import check_alias, check_version_number, lookup_key
from registry.privileges import Action
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.model_lookup import canonical_name, find_model, find_model_for
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import touch


@audited
def set_alias(*, actor: Actor, name: object, alias: object, version: object) -> ModelAlias:
    """Point an alias at a version: made if new, moved in one step if there.

    The model's row is locked, so at every instant the alias names exactly one version.

    Raises:
        NotFound: no such model or version.
        AccessDenied: the actor does not own the model.
        InvalidParameter: an alias that is not allowed, or a version that has failed.
        LimitExceeded: the model has as many aliases as it may.
    """
    alias_name = check_alias(alias)
    number = check_version_number(version)
    model = find_model_for(actor=actor, name=name, action=Action.SET_ALIAS, lock=True)
    target = ModelVersion.objects.filter(model=model, version=number).first()
    if target is None:
        raise NotFound(f"Version {number} of model '{canonical_name(name)}' does not exist.")
    if target.status == VersionStatus.FAILED_REGISTRATION:
        raise InvalidParameter(
            f"Version {number} has failed to register: an alias cannot point at it.", field="version"
        )
    found = ModelAlias.objects.select_related("version").filter(model=model, key=lookup_key(alias_name)).first()
    before = found.version.version if found else None
    if found is None:
        _check_count(model)
        found = ModelAlias(model=model, key=lookup_key(alias_name))
    found.name, found.version = alias_name, target
    found.set_at, found.set_by = timezone.now(), actor.principal
    found.save()
    touch(model.securable, actor=actor, fields=[])
    if before != number:
        note_move(model, actor=actor, name=alias_name, before=before, after=number, version=target)
    record(
        actor=actor,
        action=Action.SET_ALIAS,
        securable=model.securable,
        params={"alias": alias_name},
        before={"version": before},
        after={"version": number},
    )
    return found


def _check_count(model: RegisteredModel) -> None:
    if model.aliases.count() >= settings.MAX_ALIASES_PER_MODEL:
        raise LimitExceeded(
            f"Model '{model.securable.full_name}' has {settings.MAX_ALIASES_PER_MODEL} aliases, the most a model may "
            "have. Delete one first."
        )


@audited
def delete_alias(*, actor: Actor, name: object, alias: str) -> None:
    """Take an alias away; the version stays.

    Raises:
        NotFound: no such model, or no such alias.
        AccessDenied: the actor does not own the model.
    """
    model = find_model_for(actor=actor, name=name, action=Action.DELETE_ALIAS, lock=True)
    found = ModelAlias.objects.select_related("version").filter(model=model, key=lookup_key(alias)).first()
    if found is None:
        raise NotFound(f"Alias '{alias}' of model '{canonical_name(name)}' does not exist.")
    before = found.version.version
    note_move(model, actor=actor, name=found.name, before=before, after=None)
    found.delete()
    touch(model.securable, actor=actor, fields=[])
    record(
        actor=actor,
        action=Action.DELETE_ALIAS,
        securable=model.securable,
        params={"alias": found.name},
        before={"version": before},
    )


@audited
def move_aliases(
    *,
    actor: Actor,
    name: object,
    moves: Mapping[str, int | None],
    expected: Mapping[str, int | None] | None = None,
) -> dict[str, int | None]:
    """Set, move and take away several aliases of a model in one step; None takes an alias away.

    `expected` tells where the caller saw aliases: when one has moved since, nothing is changed. Returns where each
    alias was before, which given back as `moves` undoes the step.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded: as `set_alias` and `delete_alias`.
        Conflict: an alias is not where it was expected.
    """
    if not moves:
        raise InvalidParameter("'moves' names no alias: say which alias goes to which version.", field="moves")
    model = find_model_for(actor=actor, name=name, action=Action.SET_ALIAS, lock=True)
    now = {alias.key: alias.version.version for alias in model.aliases.select_related("version")}
    for alias, version in (expected or {}).items():
        found = now.get(lookup_key(alias))
        if found != version:
            where = "is gone" if found is None else f"is on version {found}"
            raise Conflict(f"@{alias} {where} now: it was changed meanwhile. Look at it again before you move it.")
    # Those that go make room for those that come.
    for alias, version in sorted(moves.items(), key=lambda move: move[1] is not None):
        if version is None:
            delete_alias(actor=actor, name=name, alias=alias)
        else:
            set_alias(actor=actor, name=name, alias=alias, version=version)
    return {alias: now.get(lookup_key(alias)) for alias in moves}


def note_move(
    model: RegisteredModel,
    *,
    actor: Actor,
    name: str,
    before: int | None,
    after: int | None,
    version: ModelVersion | None = None,
) -> None:
    """Append a step to an alias's history and tell the apps above. Call in the transaction of the change."""
    AliasMove.objects.create(
        model=model,
        key=lookup_key(name),
        name=name,
        from_version=before,
        to_version=after,
        moved_at=timezone.now(),
        moved_by=actor.principal,
    )
    facts = {"alias": name} if after is None else {"alias": name, "version": str(after)}
    event = "model_version_alias.deleted" if after is None else "model_version_alias.created"
    model_changed.send(RegisteredModel, securable=model.securable, changes=[(event, facts)])
    transaction.on_commit(lambda: alias_moved.send(RegisteredModel, model=model, alias=name, version=version))


@audited_read
def alias_history(
    *, actor: Actor, name: object, alias: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[AliasMove]:
    """The steps of one alias, or of all of a model, newest first.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    rows = AliasMove.objects.filter(model=model).select_related("moved_by")
    if alias:
        rows = rows.filter(key=lookup_key(alias))
    return fetch_page(
        rows, order=["-id"], size=page_size(max_results), token=page_token, scope=f"moves:{model.pk}:{alias}"
    )


@audited_read
def alias_at(*, actor: Actor, name: object, alias: str, at: datetime) -> int | None:
    """The version that an alias named at a moment; None when it was not set then. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    move = (
        AliasMove.objects.filter(model=model, key=lookup_key(alias), moved_at__lte=at)
        .order_by("-moved_at", "-id")
        .first()
    )
    return move.to_version if move else None
