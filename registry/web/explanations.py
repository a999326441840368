"""Why somebody can, or cannot, do something: the answer of the gate with its grounds."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from registry.names import lookup_key
from registry.privileges import ACTIONS_ON, Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.grants import Explanation, explain, require_visible_or_held
from registry.services.securables import find_securable
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, refusals_on
from registry.web.pickers import PickerInput
from registry.web.rights_in_words import ACTIONS, NOUNS, named_privilege
from registry.web.session import signed_in
from registry.web.template_tags import permission_url, request_url

_USUAL = {
    SecurableType.METASTORE: Action.CREATE_CATALOG,
    SecurableType.CATALOG: Action.READ_CATALOG,
    SecurableType.SCHEMA: Action.READ_SCHEMA,
    SecurableType.REGISTERED_MODEL: Action.LOAD_VERSION,
    SecurableType.TABLE: Action.SELECT_TABLE,
}


class QuestionForm(Form):
    """Who, and what. Whoever does not administer the securable may only ask about themselves."""

    principal = forms.CharField(label="Can", max_length=255)
    action = forms.ChoiceField(label="do this")

    def __init__(self, *args: Any, type_: SecurableType, suggestions: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["principal"].widget = PickerInput(suggestions) if suggestions else forms.HiddenInput()
        field: Any = self.fields["action"]
        field.choices = [(action.value, ACTIONS[action]) for action in ACTIONS if action in ACTIONS_ON[type_]]


@require_safe
@signed_in
@told_in_a_toast
def explanation(request: HttpRequest, actor: Actor, kind: SecurableType, full_name: str) -> HttpResponseBase:
    """The question with, once it is asked, its answer."""
    securable = find_securable(kind, full_name)
    require_visible_or_held(actor=actor, securable=securable, named=full_name)
    about_others = Action.READ_GRANTS in allowed_actions(actor=actor, securable=securable)
    asked = {"principal": actor.name, "action": _USUAL[kind].value} | request.GET.dict()
    form = QuestionForm(
        asked, type_=kind, suggestions=permission_url("principal-suggestions", securable) if about_others else ""
    )
    context: dict[str, Any] = {}
    if form.is_valid():
        with refusals_on(form):
            found = explain(
                actor=actor,
                type_=kind,
                full_name=full_name,
                action=Action(form.cleaned_data["action"]),
                principal=form.cleaned_data["principal"],
            )
            context = _answer(actor, found)
    return dialog(
        request,
        "permissions/explain.html",
        title=f"Why? Rights on {NOUNS[kind]} {full_name}",
        form=form,
        about_others=about_others,
        **context,
    )


def _answer(actor: Actor, found: Explanation) -> dict[str, Any]:
    own = lookup_key(found.principal) == lookup_key(actor.name)
    context = {
        "found": found,
        "own": own,
        "deed": ACTIONS[found.action],
        "because": [ground for ground in found.grounds if ground.counts],
        "besides": [ground for ground in found.grounds if not ground.counts],
    }
    if found.missing_at is None:
        return context
    privilege = named_privilege(found.missing, SecurableType(found.missing_at.type))
    context["missing_noun"] = NOUNS[SecurableType(found.missing_at.type)]
    if own:
        context["request_url"] = request_url(found.missing_at, privilege)
    elif Action.GRANT in allowed_actions(actor=actor, securable=found.missing_at):
        context["grant_url"] = permission_url(
            "grant", found.missing_at, principal=found.principal, privilege=privilege
        )
    return context
