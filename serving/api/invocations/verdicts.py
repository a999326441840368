"""Who may query an endpoint: the product's own authentication and its one gate, for the gateway to ask.

It runs in threads, outside Django's handling of requests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, parse_cookie

from registry.api.authentication import authenticate
from registry.api.wire import error_response
from registry.errors import ModelkeepError
from registry.models import PrincipalKind
from registry.services.actors import RequestContext
from serving.gateway.answers import Refusal
from serving.gateway.verdicts import Caller, Verdict
from serving.services.endpoint_verdicts import may_query

_HANDED_ON = ("WWW-Authenticate", "Retry-After")


def asker(threads: int) -> Callable[[Caller, str], Awaitable[Verdict]]:
    """An async callable for the gateway, with threads of its own: slow pages must not hold up predictions."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix="verdict")

    async def ask(caller: Caller, endpoint: str) -> Verdict:
        return await asyncio.get_running_loop().run_in_executor(executor, _in_thread, caller, endpoint)

    return ask


def verdict_of(caller: Caller, endpoint: str) -> Verdict:
    """The verdict as of now. A denial writes its audit row.

    Raises:
        DatabaseError: it cannot be found out.
    """
    try:
        actor = authenticate(_request(caller))
        groups = may_query(actor=actor, name=endpoint)
    except ModelkeepError as error:
        response = error_response(error)
        headers = ((name.lower(), response[name]) for name in _HANDED_ON if name in response)
        sent = tuple((name.encode(), value.encode()) for name, value in headers)
        return Verdict(refusal=Refusal(response.status_code, response.content, sent))
    kind = PrincipalKind(actor.principal.kind).value
    return Verdict(requester_id=str(actor.principal.pk), requester=actor.name, kind=kind, groups=groups)


def _in_thread(caller: Caller, endpoint: str) -> Verdict:
    """As Django does around a request: a connection that broke is not used again."""
    close_old_connections()
    try:
        return verdict_of(caller, endpoint)
    finally:
        close_old_connections()


def _request(caller: Caller) -> HttpRequest:
    """What authentication reads of a request: credential, session, and where a browser says it comes from."""
    request = HttpRequest()
    request.method = "POST"
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in caller.headers}
    request.META = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    request.META |= {"REMOTE_ADDR": caller.address, "SERVER_NAME": "", "SERVER_PORT": ""}
    request.COOKIES = parse_cookie(headers.get("cookie", ""))
    if key := request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    context = RequestContext(source_ip=caller.address, user_agent=caller.agent)
    request.context = context  # type: ignore[attr-defined]  # as the middleware sets it
    return request
