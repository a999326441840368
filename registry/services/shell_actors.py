"""Who acts when somebody at the machine's shell runs a command: a user by name, or the first administrator."""

from registry.errors import InvalidParameter
from registry.models import Principal
from registry.names import lookup_key
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.setup import first_administrator


def actor_for_command(command: str, *, user: str = "") -> Actor:
    """The actor under whom a command does its work, with the rights of that user. Two queries.

    Raises:
        InvalidParameter: no active user or service principal of that name, or no administrator yet.
    """
    if user:
        principal = Principal.objects.filter(key=lookup_key(user), is_active=True).exclude(kind="GROUP").first()
    else:
        principal = first_administrator()
    if principal is None:
        missing = f"there is no active user '{user}'" if user else "there is no administrator yet"
        raise InvalidParameter(f"'--as': {missing}.", field="as")
    return load_actor(principal, context=RequestContext(user_agent=f"manage.py {command}"))
