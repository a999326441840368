"""Changes made at one click, without a form of their own."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase

from registry.errors import ModelkeepError
from registry.services.actors import Actor
from registry.web.toasts import refusal_toast

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, Actor, P], HttpResponseBase]


def told_in_a_toast(view: View[P]) -> View[P]:
    """What a service refuses is said in a toast, and the page stays as it is; without scripts it is a page."""

    @functools.wraps(view)
    def told(request: HttpRequest, actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, actor, *args, **kwargs)
        except ModelkeepError as error:
            if not getattr(request, "htmx", False):
                raise
            return refusal_toast(error)

    return told


def name_of(catalog: str, schema: str, model: str) -> str:
    """The full name of the model in an address."""
    return f"{catalog}.{schema}.{model}"
