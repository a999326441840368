"""Reads the MLmodel file and its companions, as data: nothing here is ever executed or unpickled."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.conf import settings

from registry.errors import InvalidParameter
from registry.models import ModelVersion
from registry.services.artifacts import read_small_file

MLMODEL = "MLmodel"
_MAX_COMPANION_BYTES = 1024 * 1024
_MAX_YAML_ALIASES = 16


class UnusableModel(InvalidParameter):
    """The uploaded files are no model that may be registered; the message says what to do."""


@dataclass(frozen=True)
class ModelFacts:
    """What a version's files say about it."""

    mlmodel: dict[str, Any]
    signature: dict[str, Any]
    requirements: str = ""
    uses_defaults_channel: bool = False
    channels: list[str] = field(default_factory=list)


def read_facts(version: ModelVersion) -> ModelFacts:
    """Read MLmodel, conda.yaml and requirements.txt of a version, and check the signature.

    Raises:
        UnusableModel: no MLmodel, one that cannot be read, or a signature without inputs or outputs.
    """
    mlmodel, signature = check_mlmodel(read_small_file(version, MLMODEL, settings.MAX_MLMODEL_BYTES))
    conda = read_small_file(version, "conda.yaml", _MAX_COMPANION_BYTES)
    requirements = read_small_file(version, "requirements.txt", _MAX_COMPANION_BYTES)
    channels = _channels_of(conda)
    return ModelFacts(
        mlmodel=mlmodel,
        signature=signature,
        requirements=_text(requirements),
        uses_defaults_channel="defaults" in channels,
        channels=channels,
    )


def check_mlmodel(raw: bytes | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of an MLmodel file and the signature in it; None stands for a file that is not there.

    Raises:
        UnusableModel: there is none, it cannot be read, or has no signature with inputs and outputs.
    """
    if raw is None:
        raise UnusableModel(
            "No MLmodel file was uploaded at the top of the version. Log the model with MLflow and register that."
        )
    mlmodel = read_mapping(raw, MLMODEL)
    return mlmodel, _signature_of(mlmodel)


def read_mapping(raw: bytes, name: str) -> dict[str, Any]:
    """A YAML file of a model as plain JSON values. `name` is for the message.

    Raises:
        UnusableModel: it cannot be read, or is no mapping.
    """
    try:
        _check_aliases(raw)
        data = yaml.load(raw, Loader=yaml.CSafeLoader)
        # The database keeps JSON: dates and other YAML types become text, NaN and NUL are refused or dropped.
        plain = json.loads(json.dumps(data, default=str).replace("\\u0000", ""), parse_constant=str)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise UnusableModel(f"The file {name} cannot be read as YAML. Log the model again with MLflow.") from error
    if not isinstance(plain, dict):
        raise UnusableModel(f"The file {name} holds no mapping. Log the model again with MLflow.")
    return plain


def _check_aliases(raw: bytes) -> None:
    """A few lines of nested YAML aliases expand to gigabytes; what MLflow writes has a handful at most."""
    aliases = sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw, Loader=yaml.CSafeLoader))
    if aliases > _MAX_YAML_ALIASES:
        raise yaml.YAMLError(f"more than {_MAX_YAML_ALIASES} aliases")


def _signature_of(mlmodel: dict[str, Any]) -> dict[str, Any]:
    """The signature with its schemas decoded (MLflow stores each as JSON text inside the YAML)."""
    raw = mlmodel.get("signature")
    if not isinstance(raw, dict):
        raise UnusableModel(
            "The model has no signature. Log it with an input_example, or with signature=infer_signature(...)."
        )
    signature = {part: _decoded(raw.get(part)) for part in ("inputs", "outputs", "params")}
    for part in ("inputs", "outputs"):
        if signature[part] is None:
            raise UnusableModel(
                f"The model's signature has no {part}. Log it with an input_example, "
                "or with signature=infer_signature(inputs, outputs)."
            )
    return signature


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError as error:
            raise UnusableModel("The model's signature cannot be read. Log the model again.") from error
    return value


def _channels_of(conda: bytes | None) -> list[str]:
    if conda is None:
        return []
    try:
        channels = read_mapping(conda, "conda.yaml").get("channels")
    except UnusableModel:
        return []  # A conda.yaml that nobody can read takes nothing away from the model.
    return [str(channel) for channel in channels] if isinstance(channels, list) else []


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace").replace("\x00", "")
