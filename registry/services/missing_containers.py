"""The catalog and the schema in a model's name, made where they are missing: by who may make each of them."""

from registry.names import split_model_name
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.catalogs import create_catalog
from registry.services.schemas import create_schema
from registry.services.securables import find_known


def create_missing_containers(*, actor: Actor, model_name: object) -> None:
    """Make what is missing above a model of that name, owned by the actor; often nothing.

    Part of the audited step that needs them: what is made here goes again with whatever fails behind it.

    Raises:
        AccessDenied: without CREATE_CATALOG on the metastore, or CREATE_SCHEMA on the catalog.
        AlreadyExists: there is one of that name, of which the actor may not know.
        NotFound, InvalidParameter.
    """
    catalog, schema, _ = split_model_name(model_name)
    if find_known(actor=actor, type_=SecurableType.SCHEMA, full_name=f"{catalog}.{schema}") is not None:
        return
    if find_known(actor=actor, type_=SecurableType.CATALOG, full_name=catalog) is None:
        create_catalog(actor=actor, name=catalog)
    create_schema(actor=actor, catalog=catalog, name=schema)
