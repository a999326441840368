"""What a version asks for: its Python and its requirement lines, read from the files that MLflow wrote beside it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from registry.models import ModelVersion
from registry.services.artifacts import read_small_file
from registry.services.mlmodel import UnusableModel, read_mapping
from serving.services.environment_errors import EnvironmentFailed
from serving.services.requirement_lines import RequirementLine, add_lines, parse_line, parse_lines

REQUIREMENTS, CONDA, PYTHON_ENV = "requirements.txt", "conda.yaml", "python_env.yaml"
CONSTRAINTS = "constraints.txt"
MAX_BYTES = 1024**2
_CONDA_LINE = re.compile(r"^(?:\S+::)?([A-Za-z0-9._-]+)\s*(?:(==|>=|<=|!=|>|<|=)\s*([^=\s,]+)(?:=\S+)?)?$")
_CONSTRAINED = re.compile(rf"(-c|--constraint)[\s=]*{re.escape(CONSTRAINTS)}\s*(#.*)?")
_NOT_PACKAGES = {"python", "pip", "wheel"}
_EXACT_PARTS = 3


@dataclass(frozen=True)
class WantedEnvironment:
    """The Python (3.11.7, 3.11, or empty for any) and the lines; `notes` say what was added or translated.

    `constraints` ask for nothing; they bound the releases of what the lines bring.
    """

    python: str
    lines: tuple[RequirementLine, ...]
    notes: tuple[str, ...] = ()
    constraints: tuple[RequirementLine, ...] = ()

    @property
    def text(self) -> str:
        """The lines as a requirements file, in an order that does not depend on the author's."""
        return _text(self.lines)

    @property
    def constraints_text(self) -> str:
        """The constraints, likewise."""
        return _text(self.constraints)


def _text(lines: Sequence[RequirementLine]) -> str:
    return "".join(f"{text}\n" for text in sorted({line.text for line in lines}))


def read_wanted(version: ModelVersion, *, override: Sequence[str] = ()) -> WantedEnvironment:
    """What a version asks for. Lines of `override` replace those of the same package, or are added.

    Nothing is known of an environment but what the model's files say, so what they leave out is missing later.

    Raises:
        EnvironmentFailed: a line that is refused, or a file that cannot be read.
    """
    conda = _mapping(version, CONDA)
    requirements = _read(version, REQUIREMENTS)
    pip, packages, conda_python = _split_conda(conda)
    if requirements is not None:
        written, origin = requirements.decode(errors="replace").splitlines(), REQUIREMENTS
    else:
        written, origin = pip, f"{CONDA}, pip section"
    constraints = _constraints(version, written)
    # MLflow writes the file beside the others and names it in a line of theirs; lines keep their numbers.
    lines = parse_lines(["" if _CONSTRAINED.fullmatch(text.strip()) else text for text in written], origin=origin)
    notes = []
    known = {line.name for line in lines}
    for spec in packages:
        line = _of_conda(spec)
        if line.name not in known:
            notes.append(f"{line.origin}: '{spec}' is taken from the package index, as {line.text}")
            lines.append(line)
    lines = add_lines(lines, parse_lines(override, origin="pip_requirements_override"))
    added = _mlflow_needs(lines, version.mlmodel)
    notes += [f"The model does not ask for {line.text}, which serving needs: added" for line in added]
    python = str(_mapping(version, PYTHON_ENV).get("python") or "") or conda_python or _python_of(version.mlmodel)
    return WantedEnvironment(python=python, lines=(*lines, *added), notes=tuple(notes), constraints=constraints)


def _constraints(version: ModelVersion, lines: Sequence[str]) -> tuple[RequirementLine, ...]:
    """What the model's own constraints.txt says, where a line names it."""
    if not any(_CONSTRAINED.fullmatch(text.strip()) for text in lines):
        return ()
    raw = _read(version, CONSTRAINTS)
    if raw is None:
        raise EnvironmentFailed(
            f"'-c {CONSTRAINTS}' names a file that the model does not hold.",
            line=f"-c {CONSTRAINTS}",
            suggestion="Log the model again with the file in its pip_requirements, or leave the line out.",
        )
    return tuple(parse_lines(raw.decode(errors="replace").splitlines(), origin=CONSTRAINTS))


def asked_lines(version: ModelVersion) -> list[str]:
    """The requirement lines as the author wrote them: of requirements.txt, else of conda.yaml's pip section.

    Raises:
        EnvironmentFailed: conda.yaml cannot be read.
    """
    if version.requirements.strip():
        return version.requirements.splitlines()
    pip, _, _ = _split_conda(_mapping(version, CONDA))
    return pip


def _read(version: ModelVersion, path: str) -> bytes | None:
    return read_small_file(version, path, MAX_BYTES)


def _mapping(version: ModelVersion, path: str) -> dict[str, Any]:
    raw = _read(version, path)
    if raw is None:
        return {}
    try:
        return read_mapping(raw, path)
    except UnusableModel as error:
        raise EnvironmentFailed(error.message, line=path) from error


def _split_conda(conda: dict[str, Any]) -> tuple[list[str], list[str], str]:
    """The pip section, the other packages, and the Python that it names."""
    pip: list[str] = []
    packages: list[str] = []
    python = ""
    dependencies = conda.get("dependencies")
    for entry in dependencies if isinstance(dependencies, list) else []:
        if isinstance(entry, dict):
            pip += [str(line) for line in entry.get("pip") or []]
            continue
        text = str(entry).strip()
        match = _CONDA_LINE.match(text)
        name = match.group(1).lower() if match else ""
        if match and name == "python":
            python = (match.group(3) or "").rstrip(".*") if match.group(2) in {"=", "=="} else ""
        elif name not in _NOT_PACKAGES:
            packages.append(text)
    return pip, packages, python


def _of_conda(spec: str) -> RequirementLine:
    """A conda package as the package of the same name; `=1.2` there means any 1.2."""
    origin = f"{CONDA}, dependencies"
    match = _CONDA_LINE.match(spec)
    if match is None:
        raise EnvironmentFailed(
            f"{origin}: '{spec}' cannot be read.", line=spec, suggestion="Write name=version, or use the pip section."
        )
    name, operator, release = match.groups()
    if operator == "=":
        exact = release.count(".") + 1 >= _EXACT_PARTS or "*" in release
        return parse_line(f"{name}=={release if exact else release + '.*'}", origin=origin)
    return parse_line(f"{name}{operator or ''}{release or ''}", origin=origin)


def _mlflow_needs(lines: Sequence[RequirementLine], mlmodel: dict[str, Any]) -> list[RequirementLine]:
    """What `mlflow.pyfunc` needs and the model does not ask for."""
    names = {line.name for line in lines}
    if "mlflow" in names:
        return []
    if "mlflow-skinny" in names:
        return [parse_line(name, origin="added for serving") for name in ("numpy", "pandas") if name not in names]
    return [parse_line(_mlflow_line(str(mlmodel.get("mlflow_version") or "")), origin="added for serving")]


def _mlflow_line(logged_with: str) -> str:
    """The newest mlflow that reads what this one wrote."""
    try:
        written = Version(logged_with)
    except InvalidVersion:
        return "mlflow"
    return f"mlflow>={written.base_version},<{written.major + 1}"


def _python_of(mlmodel: dict[str, Any]) -> str:
    flavors = mlmodel.get("flavors")
    function = flavors.get("python_function") if isinstance(flavors, dict) else None
    return str(function.get("python_version") or "") if isinstance(function, dict) else ""


def conda_with_lines(raw: bytes, lines: Sequence[str]) -> bytes:
    """A conda.yaml with another pip section, as MLflow's `update_model_requirements` would write it.

    Raises:
        EnvironmentFailed: it cannot be read.
    """
    try:
        conda = read_mapping(raw, CONDA)
    except UnusableModel as error:
        raise EnvironmentFailed(error.message, line=CONDA) from error
    found = conda.get("dependencies")
    dependencies = found if isinstance(found, list) else []
    section = {"pip": list(lines)}
    replaced = [section if isinstance(entry, dict) and "pip" in entry else entry for entry in dependencies]
    if section not in replaced:
        replaced.append(section)
    return yaml.safe_dump({**conda, "dependencies": replaced}, sort_keys=False).encode()


def name_of(text: str) -> str:
    """The package that a requirement line is about, in its canonical spelling."""
    return canonicalize_name(Requirement(text).name)
