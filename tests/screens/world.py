"""A small company with models in use: what the screens are looked at and tested with.

`build()` goes through the services, so that audit, alias history and lineage are what users would have left.
"""

from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from registry.models import (
    ADMINS,
    LineageEdge,
    Membership,
    Operation,
    Principal,
    PrincipalKind,
    RegisteredModel,
    Securable,
    VersionStatus,
)
from registry.privileges import Privilege, SecurableType
from registry.services.access_requests import decline_request, request_access
from registry.services.actors import load_actor
from registry.services.aliases import set_alias
from registry.services.catalogs import create_catalog
from registry.services.grants import Change, update_grants
from registry.services.memberships import change_members
from registry.services.principals import create_service_principal
from registry.services.schemas import create_schema
from registry.services.tables import NewTable, create_table
from registry.services.tag_policies import create_policy
from registry.services.tags import Tags, tag_securable, tag_version
from tests.screens import deliveries, lab, monitored, serving, versions
from tests.screens.password import PASSWORD
from tests.web.factories import make_model, make_version

DESCRIPTION = """Predicts how many minutes a flight **leaves late**, from what is known two hours before.

- trained nightly on `prod.flights.departures`
- *not* for cancelled flights
"""
COLUMNS = [("origin", "string"), ("carrier", "string"), ("distance", "double"), ("departed_at", "timestamp")]


def person(name: str, display_name: str, *groups: Principal) -> Principal:
    """Somebody who can sign in with PASSWORD."""
    user = Principal(name=name, key=name, kind=PrincipalKind.USER, display_name=display_name)
    user.set_password(PASSWORD)
    user.save()
    for group in groups:
        Membership.objects.create(group=group, member=user)
    return user


def build() -> None:
    """Ada owns the models, Ben may load them, Cleo sees nothing, Rosa administers."""
    admins = Principal.objects.get(key=ADMINS)
    analysts = Principal.objects.create(name="analysts", key="analysts", kind=PrincipalKind.GROUP)
    rosa = load_actor(person("rosa@example.com", "Rosa Admin", admins))
    ada = load_actor(person("ada@example.com", "Ada Owner"))
    person("ben@example.com", "Ben Reader", analysts)
    person("cleo@example.com", "Cleo Outsider")

    for catalog, comment in [("dev", "Where everybody tries things"), ("prod", "What customers depend on")]:
        create_catalog(actor=rosa, name=catalog, comment=comment)
        _grant(
            rosa, SecurableType.CATALOG, catalog, "ada@example.com", Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA
        )
    for schema in ("dev.flights", "prod.flights", "prod.pricing"):
        create_schema(actor=ada, catalog=schema.split(".")[0], name=schema.split(".")[1])
    create_table(
        actor=ada,
        catalog="prod",
        schema="flights",
        name="departures",
        new=NewTable(
            table_type="EXTERNAL",
            data_source_format="DELTA",
            storage_location="s3://lake/departures",
            columns=[{"name": name, "type_name": type_, "type_text": type_} for name, type_ in COLUMNS],
            comment="One row a departure",
        ),
    )
    tag_securable(
        actor=rosa, type_=SecurableType.CATALOG, full_name="prod", change=Tags(set={"environment": "production"})
    )
    _models(ada)
    versions.build(ada)
    lab.build(ada)
    _grant(rosa, SecurableType.CATALOG, "prod", "analysts", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    _grant(ada, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "analysts", Privilege.EXECUTE)
    _grant(ada, SecurableType.REGISTERED_MODEL, "prod.pricing.fare", "ben@example.com", Privilege.BROWSE)
    _requests(ada)
    _operations(ada)
    serving.build(ada)
    monitored.add_monitor(ada)
    monitored.add_metrics_monitor(ada, "flight-delay")
    serving.keep_answers(ada, payload=f"{monitored.TABLE}_training", unpacked=monitored.TABLE)
    deliveries.build(rosa)
    nightly = create_service_principal(actor=rosa, display_name="nightly training")
    change_members(actor=rosa, group_id=analysts.pk, add=[nightly.pk])
    create_policy(
        actor=rosa,
        key="data_class",
        description="How sensitive the data is that a model was trained on.",
        values=["public", "internal", "personal"],
    )


def _grant(actor, type_, name, principal, *privileges):
    update_grants(actor=actor, type_=type_, full_name=name, changes=[Change(principal, add=privileges)])


def _requests(ada) -> None:
    """Ben waits for one answer, and has another."""
    ben = load_actor(Principal.objects.get(key="ben@example.com"))
    ask = {"type_": SecurableType.REGISTERED_MODEL, "full_name": "prod.flights.delay"}
    declined = request_access(actor=ben, **ask, privileges=[Privilege.MANAGE], reason="I would like to move aliases.")
    decline_request(actor=ada, request_id=declined.pk, answer="Tell me the version and I move it.")
    request_access(
        actor=ben,
        type_=SecurableType.REGISTERED_MODEL,
        full_name="prod.pricing.fare",
        privileges=[Privilege.EXECUTE],
        reason="The new booking page shows a price for the return flight.\nWe start on Monday.",
    )


def _operations(ada) -> None:
    """One of each state, as workers leave them; the one that runs is held by nobody who would end it."""
    model = RegisteredModel.objects.get(securable__key="delay", securable__parent__parent__key="prod")
    now = timezone.now()
    for kind, state, subject, begun, log, more in [
        (
            "register_model_version",
            "RUNNING",
            "prod.flights.delay version 7",
            20,
            ["Copying models:/m-5f2c", "MLmodel, 1 kB"],
            {"progress": 42, "step": "Copying data/model.pkl", "lease_until": now + timedelta(days=1)},
        ),
        (
            "register_model_version",
            "FAILED",
            "prod.flights.delay version 8",
            4000,
            ["Copying models:/m-5f2b", "MLmodel names no signature"],
            {"progress": 95, "error": "MLmodel names no signature: log the model with an input_example."},
        ),
        ("copy_model_version", "SUCCEEDED", "prod.flights.delay version 5", 7200, ["4 files"], {"progress": 100}),
        ("copy_model_version", "CANCELED", "prod.pricing.fare version 2", 90_000, [], {"error": "Canceled."}),
    ]:
        at = now - timedelta(seconds=begun)
        ended = None if state == "RUNNING" else at + timedelta(seconds=12)
        operation = Operation.objects.create(
            kind=kind,
            state=state,
            subject=subject,
            actor=ada.principal,
            securable=model.securable,
            params={"name": "prod.flights.delay", "version": 7},
            attempts=1,
            created_at=at,
            sent_at=at,
            started_at=at,
            finished_at=ended,
            **more,
        )
        for text in log:
            operation.log.create(at=at, text=text)


def _models(ada) -> None:
    delay = make_model(ada, "prod.flights.delay", comment=DESCRIPTION, task="regression", team="operations")
    for number in range(1, 7):
        rmse = 21.4 - number * 0.9
        version = make_version(
            ada,
            delay,
            metrics=[{"key": "rmse", "value": rmse}, {"key": "mae", "value": rmse * 0.7}],
            params=[{"key": "max_depth", "value": str(3 + number)}, {"key": "learning_rate", "value": "0.1"}],
            comment="Adds weather at the origin." if number == 5 else "",
            at=timezone.now() - timedelta(days=30 - 4 * number),
        )
        LineageEdge.objects.create(
            version=version,
            direction="UPSTREAM",
            kind="TABLE",
            name="prod.flights.departures",
            table=Securable.objects.get(key="departures"),
            recorded_by=ada.principal,
        )
    make_version(ada, delay, status=VersionStatus.PENDING_REGISTRATION)
    make_version(
        ada,
        delay,
        status=VersionStatus.FAILED_REGISTRATION,
        status_message="MLmodel names no signature: log the model with an input_example.",
    )
    moves = [("Champion", 3), ("Champion", 4), ("Challenger", 5), ("Champion", 5), ("Challenger", 6)]
    for days, (alias, number) in zip((21, 15, 11, 6, 2), moves, strict=True):
        # The history of aliases keeps its times for ever: the clock is turned back while they are set.
        with patch("django.utils.timezone.now", return_value=timezone.now() - timedelta(days=days)):
            set_alias(actor=ada, name="prod.flights.delay", alias=alias, version=number)
    tag_version(actor=ada, name="prod.flights.delay", version=5, change=Tags(set={"validation_status": "approved"}))
    fare = make_model(ada, "prod.pricing.fare", comment="Suggests a fare for a route and a day.", versions=2)
    set_alias(actor=ada, name=fare.securable.full_name, alias="Champion", version=2)
    make_model(ada, "dev.flights.delay", versions=1)
    make_model(ada, "dev.flights.cancellations", comment="An idea.")
