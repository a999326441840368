"""What is known to speak for a version, or against it, before anybody relies on it."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from registry.models import ModelVersion, ModelVersionTag, VersionStatus
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_versions import get_version
from registry.services.version_comparison import read_requirements

_WORDS = ("validation", "validated", "check", "approval", "approved", "review", "test")
_GOOD = {"approved", "passed", "pass", "ok", "true", "yes", "success", "succeeded", "done", "green"}
_BAD = {"rejected", "failed", "fail", "false", "no", "error", "red", "denied"}


class Verdict(StrEnum):
    """How a check came out. OPEN: nothing is known yet, or it is up to the reader."""

    PASSED = "PASSED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    OPEN = "OPEN"


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, how it came out, and what to do."""

    title: str
    verdict: Verdict
    text: str
    by: str = ""


@audited_read
def checks_of(*, actor: Actor, name: object, version: object) -> list[Check]:
    """The checks of a version: those that the server makes from its files, then what was recorded as tags on it.

    A tag counts whose key speaks of validation, checks, tests, reviews or approval. Five queries.

    Raises:
        NotFound, AccessDenied.
    """
    found = get_version(actor=actor, name=name, version=version)
    tags = ModelVersionTag.objects.filter(version=found).select_related("updated_by")
    recorded = [_of_tag(tag) for tag in tags if any(word in tag.key.lower() for word in _WORDS)]
    return [*_of_files(found), *recorded]


def _of_files(version: ModelVersion) -> list[Check]:
    if version.status != VersionStatus.READY:
        failed = version.status == VersionStatus.FAILED_REGISTRATION
        verdict = Verdict.FAILED if failed else Verdict.OPEN
        return [Check("Registration", verdict, version.status_message or "Its files are not complete yet.")]
    return [
        Check("Registration", Verdict.PASSED, "All files are there and their digests are kept."),
        _signature(version),
        _example(version),
        _requirements(version),
        _channel(version),
        *_packed(version),
    ]


def _signature(version: ModelVersion) -> Check:
    if version.signature.get("inputs") and version.signature.get("outputs"):
        return Check("Signature", Verdict.PASSED, "Inputs and outputs are declared.")
    return Check("Signature", Verdict.WARNING, "Inputs or outputs are not declared: wrong columns are not noticed.")


def _example(version: ModelVersion) -> Check:
    if version.mlmodel.get("saved_input_example_info"):
        return Check("Input example", Verdict.PASSED, "An example is kept, so that a prediction can be tried.")
    return Check("Input example", Verdict.OPEN, "None is kept: log the model with input_example to have one.")


def _requirements(version: ModelVersion) -> Check:
    asked = read_requirements(version.requirements.splitlines())
    if not asked:
        return Check("Requirements", Verdict.WARNING, "None are declared: the environment cannot be made again.")
    loose = [package for package, constraint in asked if not constraint.startswith("==")]
    if loose:
        named = ", ".join(loose[:5]) + (" …" if len(loose) > 5 else "")
        return Check("Requirements", Verdict.WARNING, f"Not pinned to one release: {named}.")
    return Check("Requirements", Verdict.PASSED, f"All {len(asked)} are pinned.")


def _channel(version: ModelVersion) -> Check:
    if version.uses_defaults_channel:
        text = "The conda channel defaults needs a licence of Anaconda in larger organisations. Use conda-forge."
        return Check("Conda channel", Verdict.WARNING, text)
    return Check("Conda channel", Verdict.PASSED, "No channel that needs a licence.")


def _packed(version: ModelVersion) -> list[Check]:
    size, limit = version.packed_environment_bytes, settings.PACKED_ENVIRONMENT_MAX_BYTES
    if size is None:
        return []
    shown, most = filesizeformat(size), filesizeformat(limit)
    if size > limit:
        return [Check("Packed environment", Verdict.FAILED, f"{shown}: at most {most} can be deployed.")]
    return [Check("Packed environment", Verdict.PASSED, f"{shown} of at most {most}.")]


def _of_tag(tag: ModelVersionTag) -> Check:
    value = tag.value.strip().lower()
    verdict = Verdict.PASSED if value in _GOOD else Verdict.FAILED if value in _BAD else Verdict.OPEN
    return Check(tag.key, verdict, tag.value, by=tag.updated_by.label if tag.updated_by else "")
