"""Would this version deploy? Each question is asked for real, with what to do about it, before an endpoint needs it.

The prediction is made by the function that `mlflow.models.predict` runs in an environment of its own: the answer is
the same text.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from django.conf import settings

from registry.errors import InvalidParameter, ModelkeepError
from registry.models import ModelVersion, Operation
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.model_lookup import find_version_for
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import resubmit_unchanged, submit_operation
from serving.models import EnvironmentKind, ServingEnvironment
from serving.services.environment_builds import Watch
from serving.services.environment_errors import EnvironmentFailed
from serving.services.environment_operations import SERVICE, result_of, version_of, watch_of
from serving.services.environment_trials import Trial, try_prediction
from serving.services.environments import ensure_environment, environment_path
from serving.services.input_examples import example_request
from serving.services.model_files import materialise_version
from serving.services.requirement_lines import parse_lines
from serving.services.wanted_environments import read_wanted

VALIDATE = "validate_deployment"
CONTENT_TYPES = ("json", "csv")
MAX_INPUT_BYTES = 1024**2
_PACKED_SHARE = 0.3
"""Of its bytes on disk, an environment packed with zstd takes about so much."""
_SHOWN_PREDICTIONS = 64 * 1024


class Outcome(StrEnum):
    """How a check came out. SKIPPED: it could not be asked, or there was nothing to ask it about."""

    PASSED = "PASSED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class ValidationCheck:
    """One question and its answer, for people. `remedy` is empty where nothing is to be done."""

    name: str
    title: str
    outcome: Outcome
    reason: str
    remedy: str = ""


@dataclass
class ValidationReport:
    """All checks in the order in which they were made. `predictions` is the answer to the input, as JSON text."""

    checks: list[ValidationCheck] = field(default_factory=list)
    predictions: str = ""
    peak_memory_bytes: int = 0
    import_seconds: float = 0.0
    predict_seconds: float = 0.0
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.outcome != Outcome.FAILED for check in self.checks)

    def as_result(self) -> dict[str, Any]:
        """The report as JSON; very long predictions are cut, and said to be."""
        whole = len(self.predictions) <= _SHOWN_PREDICTIONS
        shown = self.predictions[:_SHOWN_PREDICTIONS]
        return {**asdict(self), "passed": self.passed, "predictions": shown, "predictions_cut": not whole}


@audited
def validate_deployment(
    *,
    actor: Actor,
    name: object,
    version: object,
    input_data: object = None,
    content_type: object = "json",
    pip_requirements_override: object = (),
) -> Operation:
    """Ask whether a READY version would deploy. Returns at once; the operation's result is the report.

    `input_data`: a request as an endpoint would take it, text or (for json) a value; without it the input example is
    used. Lines of `pip_requirements_override` replace those of the same package, for this trial alone.

    Raises:
        NotFound, AccessDenied, InvalidState.
        InvalidParameter: the input is too large or no JSON, or a line is refused.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    securable = found.model.securable
    params = {
        "name": securable.full_name,
        "version": found.version,
        "input": _input_text(input_data, content_type),
        "content_type": content_type or "json",
        "pip_requirements_override": _override(pip_requirements_override),
    }
    record(
        actor=actor,
        action="validateDeployment",
        service_name=SERVICE,
        securable=securable,
        params={"version": found.version, "pip_requirements_override": params["pip_requirements_override"]},
    )
    return submit_operation(
        actor=actor,
        kind=VALIDATE,
        params=params,
        securable=securable,
        subject=f"{securable.full_name} version {found.version}",
    )


def _input_text(value: object, content_type: object) -> str:
    if content_type not in {*CONTENT_TYPES, "", None}:
        raise InvalidParameter(
            f"'content_type' is {content_type!r}: it must be one of {', '.join(CONTENT_TYPES)}.", field="content_type"
        )
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text.encode()) > MAX_INPUT_BYTES:
        raise InvalidParameter(f"'input_data' has more than {MAX_INPUT_BYTES:,} bytes.", field="input_data")
    if content_type != "csv":
        try:
            json.loads(text)
        except ValueError as error:
            raise InvalidParameter(f"'input_data' is no JSON: {error}.", field="input_data") from error
    return text


def _override(value: object) -> list[str]:
    field_name = "pip_requirements_override"
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InvalidParameter(f"'{field_name}' must be a list of requirement lines.", field=field_name)
    try:
        return [line.text for line in parse_lines(value, origin=f"'{field_name}'")]
    except EnvironmentFailed as error:
        raise InvalidParameter(error.message, field=field_name) from error


@operation_kind(VALIDATE, title="Validate a deployment", queue="build", resubmit=resubmit_unchanged)
def run_validate_deployment(context: OperationContext) -> dict[str, Any]:
    """Ask every question; the operation succeeds whatever the answers are, they are its result."""
    params = context.params
    version = version_of(context)
    report = check_deployment(
        version,
        given=params["input"],
        content_type=params["content_type"],
        override=params["pip_requirements_override"],
        watch=watch_of(context),
        progress=context.progress,
    )
    for check in report.checks:
        context.log(f"{check.outcome}: {check.title}. {check.reason} {check.remedy}".strip())
    return report.as_result()


def check_deployment(
    version: ModelVersion,
    *,
    given: str = "",
    content_type: str = "json",
    override: Sequence[str] = (),
    watch: Watch,
    progress: Callable[[float, str], None] = lambda _percent, _step: None,
) -> ValidationReport:
    """Ask every question about a version that the caller may load. What cannot be asked any more is SKIPPED.

    Raises:
        BuildCanceled, Unavailable.
    """
    report = ValidationReport()
    report.checks.append(
        ValidationCheck("rights", "Rights", Outcome.PASSED, "You may load this version, and its files are complete.")
    )
    report.checks.append(_signature(version))
    progress(5, "Reading the requirements")
    report.checks.append(_requirements(version, override))
    progress(10, "Making the environment")
    environment = _environment(version, override, watch, report)
    progress(60, "Trying a prediction")
    _prediction(version, environment, given, content_type, watch, report)
    return report


def _signature(version: ModelVersion) -> ValidationCheck:
    inputs, outputs = version.signature.get("inputs"), version.signature.get("outputs")
    if inputs and outputs:
        reason = f"{len(inputs)} inputs and {len(outputs)} outputs are declared."
        return ValidationCheck("signature", "Signature", Outcome.PASSED, reason)
    return ValidationCheck(
        "signature",
        "Signature",
        Outcome.FAILED,
        "The model declares no inputs or no outputs.",
        "Log it with an input_example, or with signature=infer_signature(inputs, outputs).",
    )


def _requirements(version: ModelVersion, override: Sequence[str]) -> ValidationCheck:
    title = "Requirements"
    try:
        wanted = read_wanted(version, override=override)
    except EnvironmentFailed as error:
        return ValidationCheck("requirements", title, Outcome.FAILED, error.message)
    loose = [line.text for line in wanted.lines if "==" not in line.text]
    python = f", for Python {wanted.python}" if wanted.python else ""
    reason = f"{len(wanted.lines)} packages are asked for{python}."
    if loose:
        named = ", ".join(loose[:5]) + (" …" if len(loose) > 5 else "")
        remedy = f"Pin to one release, so that the environment stays the same: {named}."
        return ValidationCheck("requirements", title, Outcome.WARNING, reason, remedy)
    return ValidationCheck("requirements", title, Outcome.PASSED, reason)


def _environment(
    version: ModelVersion, override: Sequence[str], watch: Watch, report: ValidationReport
) -> ServingEnvironment | None:
    """The environment, made if need be; None when it cannot be had."""
    name, title = "environment", "Environment"
    try:
        row = ensure_environment(
            version=version,
            log=watch.log,
            canceled=watch.canceled,
            override=override,
            operation_id=watch.operation_id,
        )
    except EnvironmentFailed as error:
        report.checks.append(ValidationCheck(name, title, Outcome.FAILED, error.message))
        report.checks.append(_skipped("size", "Packed size", "there is no environment"))
        return None
    report.environment = result_of(row)
    client = row.kind == EnvironmentKind.CLIENT_PACKED
    reason = f"Python {row.python}, " + ("as the client packed it." if client else "resolved and installed.")
    report.checks.append(ValidationCheck(name, title, Outcome.PASSED, reason))
    report.checks.append(_size(row))
    return row


def _size(row: ServingEnvironment) -> ValidationCheck:
    limit = settings.PACKED_ENVIRONMENT_MAX_BYTES
    packed, words = row.packed_bytes, "It has"
    if packed is None:
        packed, words = int((row.size_bytes or 0) * _PACKED_SHARE), "It will have about"
    reason = f"{words} {packed:,} of at most {limit:,} bytes when packed, {row.size_bytes or 0:,} on disk."
    if packed <= limit:
        return ValidationCheck("size", "Packed size", Outcome.PASSED, reason)
    outcome = Outcome.FAILED if row.packed_bytes is not None else Outcome.WARNING
    return ValidationCheck("size", "Packed size", outcome, reason, "Leave out packages that the model does not need.")


def _prediction(
    version: ModelVersion,
    environment: ServingEnvironment | None,
    given: str,
    content_type: str,
    watch: Watch,
    report: ValidationReport,
) -> None:
    request = given or example_request(version)
    if environment is None or request is None:
        why = "there is no environment" if environment is None else "no input was given and the model has no example"
        remedy = "" if environment is None else "Give an input, or log the model with input_example."
        report.checks.append(_skipped("prediction", "Prediction", why, remedy))
        report.checks.append(_skipped("memory", "Memory", "no prediction was made"))
        return
    try:
        found = try_prediction(
            environment_path(environment),
            materialise_version(version),
            request,
            content_type=content_type if given else "json",
            canceled=watch.canceled,
        )
    except ModelkeepError as error:
        report.checks.append(ValidationCheck("prediction", "Prediction", Outcome.FAILED, error.message))
        report.checks.append(_skipped("memory", "Memory", "no prediction was made"))
        return
    report.predictions, report.peak_memory_bytes = found.predictions, found.peak_bytes
    report.import_seconds, report.predict_seconds = found.import_seconds, found.predict_seconds
    report.checks.append(_answer(found, watch, of_example=not given))
    report.checks.append(_memory(found))


def _answer(found: Trial, watch: Watch, *, of_example: bool) -> ValidationCheck:
    if found.error:
        for line in (found.trace or found.output).splitlines()[-30:]:
            watch.log(line)
        return ValidationCheck("prediction", "Prediction", Outcome.FAILED, found.error, found.remedy)
    what = "the input example" if of_example else "the input"
    reason = f"The model was loaded and predicted {what} in {found.predict_seconds:.1f} s."
    return ValidationCheck("prediction", "Prediction", Outcome.PASSED, reason)


def _memory(found: Trial) -> ValidationCheck:
    limit = settings.SERVING_MEMORY_BYTES_PER_UNIT
    if not found.peak_bytes:
        return _skipped("memory", "Memory", "the process ended before it could be measured")
    reason = f"At most {found.peak_bytes:,} of {limit:,} bytes were in use."
    if found.peak_bytes <= limit:
        return ValidationCheck("memory", "Memory", Outcome.PASSED, reason)
    remedy = "Load less at a time, or have the operator raise MODELKEEP_SERVING_MEMORY_BYTES_PER_UNIT."
    return ValidationCheck("memory", "Memory", Outcome.FAILED, reason, remedy)


def _skipped(name: str, title: str, why: str, remedy: str = "") -> ValidationCheck:
    return ValidationCheck(name, title, Outcome.SKIPPED, f"Not asked: {why}.", remedy)
