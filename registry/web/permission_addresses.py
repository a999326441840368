"""How addresses name securables of every kind."""

from registry.privileges import SecurableType

KINDS = {
    "metastore": SecurableType.METASTORE,
    "catalog": SecurableType.CATALOG,
    "schema": SecurableType.SCHEMA,
    "model": SecurableType.REGISTERED_MODEL,
    "table": SecurableType.TABLE,
}
_SLUGS = {type_: slug for slug, type_ in KINDS.items()}


class SecurableKind:
    """Path converter between the word in an address and the type of a securable."""

    regex = "|".join(KINDS)

    def to_python(self, value: str) -> SecurableType:
        """The type of that word."""
        return KINDS[value]

    def to_url(self, value: str) -> str:
        """The word for a type."""
        return _SLUGS[SecurableType(value)]
