"""What every noun's console page builds on: nothing is written but by a service, and so nothing goes unaudited."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from registry.api.request_context import context_of
from registry.errors import InvalidParameter, ModelkeepError
from registry.models import Principal
from registry.services.actors import Actor, load_actor

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin
    ModelForm = forms.ModelForm


def actor_of(request: HttpRequest) -> Actor:
    """The actor of a signed-in request, loaded once."""
    actor = getattr(request, "actor", None)
    if isinstance(actor, Actor):
        return actor
    if not isinstance(request.user, Principal):
        raise TypeError("the console serves signed-in principals only")
    loaded = load_actor(request.user, context=context_of(request))
    request.actor = loaded  # type: ignore[attr-defined]
    return loaded


class ReadOnlyAdmin(ModelAdmin):
    """A noun that is shown and searched, and never changed here."""

    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The site lets only metastore admins in."""
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """As for the module."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Not here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Not here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Not here."""
        return False


class ServiceForm(ModelForm):
    """A form whose last step of validation is the service call, so that a refusal shows as an error in the form."""

    actor: ClassVar[Actor]

    def apply(self) -> Model:
        """Call the service with what was typed in; return the row to go on with.

        Raises:
            ModelkeepError: shown at the field that it names, if the form has it.
        """
        raise NotImplementedError

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.instance = self.apply()
        except ModelkeepError as error:
            named = error.field if isinstance(error, InvalidParameter) else ""
            self.add_error(named if named in self.fields else None, error.message)


class ServiceAdmin(ReadOnlyAdmin):
    """A noun that is changed through services: `add_form` and `change_form` apply, `remove` deletes."""

    add_form: type[ServiceForm] | None = None
    change_form: type[ServiceForm] | None = None
    removable = False
    shown: Sequence[str] = ()
    """Fields that an existing row shows besides those of its form."""

    def remove(self, actor: Actor, obj: Any) -> None:
        """Delete by a service.

        Raises:
            ModelkeepError: shown as a message.
        """
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Where there is a form for it."""
        return self.add_form is not None and self.admin_site.has_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Where there is a form for it."""
        return self.change_form is not None and self.admin_site.has_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Where there is a service for it."""
        return self.removable and self.admin_site.has_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """The facts of an existing row."""
        return tuple(self.shown) if obj is not None else ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The form's own fields, and the facts."""
        form = self.change_form if obj is not None else self.add_form
        own = list(form.base_fields) if form is not None else []
        return [*own, *self.get_readonly_fields(request, obj)]

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """The form that calls the service as the one who is signed in."""
        chosen = self.change_form if obj is not None else self.add_form
        if chosen is not None:
            kwargs["form"] = chosen
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.actor = actor_of(request)
        return form

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001
        """Nothing to save: the service has done it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Nothing to save: the service has done it."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The audit trail tells it."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """The audit trail tells it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The audit trail tells it."""

    def get_deleted_objects(
        self,
        objs: Any,
        request: HttpRequest,  # noqa: ARG002
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The rows themselves: what hangs on them is the service's to judge, and may be very much."""
        return [str(obj) for obj in objs], {}, set(), []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Never the bulk deletion, which would go round the service."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Call the service. A refusal is kept for the answer: raising here would roll its audit row back."""
        try:
            self.remove(actor_of(request), obj)
        except ModelkeepError as error:
            request.refusal = error  # type: ignore[attr-defined]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Say what the service said."""
        refusal = getattr(request, "refusal", None)
        if refusal is None:
            return super().response_delete(request, obj_display, obj_id)
        self.message_user(request, refusal.message, messages.ERROR)
        meta = self.opts
        return redirect(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj_id]))

    def attempt(self, request: HttpRequest, done: str, call: Any) -> None:
        """Call a service for an action on the list, and say how it went."""
        try:
            call()
        except ModelkeepError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)

    def show_secret(self, request: HttpRequest, *, title: str, secret: str, note: str) -> TemplateResponse:
        """A page that shows a secret this once: messages would keep it in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "secret": secret,
            "note": note,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/secret_once.html", context)
        response["Cache-Control"] = "no-store"
        return response
