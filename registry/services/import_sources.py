"""Reads models, versions and runs of another MLflow server, over the REST that stock clients speak.

What comes back is somebody else's word: text is made storable, numbers and counts are bounded, pages must end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from registry.services.foreign_values import dataset_inputs, mapping, mappings, metrics, params, text, whole
from registry.services.remote_hosts import MissingAtSource, RemoteHost, SourceError

API = "/api/2.0/mlflow"
MODELS_A_PAGE = 100
VERSIONS_A_PAGE = 500
MAX_MODELS = 100_000
MAX_VERSIONS = 200_000
MAX_VERSION_NUMBER = 10_000_000
_MAX_FACTS = 1000
_REMEMBERED_RUNS = 1024


@dataclass(frozen=True)
class SourceModel:
    """A registered model over there. Times are milliseconds since 1970; 0 when it tells none."""

    name: str
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    created_at: int = 0


@dataclass(frozen=True)
class SourceVersion:
    """A version over there."""

    model: str
    number: int
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    stage: str = ""
    status: str = ""
    run_id: str = ""
    model_id: str = ""
    source: str = ""
    created_at: int = 0
    created_by: str = ""


@dataclass(frozen=True)
class SourceRun:
    """What a run over there says of itself."""

    artifact_uri: str = ""
    params: list[dict[str, str]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)


class Source:
    """One server to import from."""

    def __init__(self, host: RemoteHost) -> None:
        self.host = host
        self.run = lru_cache(_REMEMBERED_RUNS)(self._run)

    def models(self) -> Iterator[SourceModel]:
        """Every registered model, page by page.

        Raises:
            SourceError, Unauthenticated, Unavailable, InvalidParameter: as RemoteHost; or pages that do not end.
        """
        pages = self._pages("registered-models/search", "registered_models", {"max_results": MODELS_A_PAGE})
        for count, raw in enumerate(pages):
            if count >= MAX_MODELS:
                raise SourceError(f"{self.host.url} has more than {MAX_MODELS} models: name those to import.")
            yield _model(raw)

    def model(self, name: str) -> SourceModel:
        """One registered model.

        Raises:
            MissingAtSource: there is none of that name.
        """
        answer = self.host.get_json(f"{API}/registered-models/get", {"name": name})
        return _model(mapping(answer.get("registered_model")))

    def versions(self, name: str) -> list[SourceVersion]:
        """Every version of a model, by number. Held in memory: a few hundred bytes each.

        Raises:
            SourceError, Unauthenticated, Unavailable.
        """
        query: dict[str, str | int] = {"filter": f"name={_quoted(name)}", "max_results": VERSIONS_A_PAGE}
        found: dict[int, SourceVersion] = {}
        for raw in self._pages("model-versions/search", "model_versions", query):
            version = _version(raw)
            # A filter that the server ignores would mix models.
            if version.model == name and version.number:
                found[version.number] = version
            if len(found) > MAX_VERSIONS:
                raise SourceError(f"'{name}' has more than {MAX_VERSIONS} versions.")
        return [found[number] for number in sorted(found)]

    def _pages(self, path: str, key: str, query: dict[str, str | int]) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        token = ""
        while True:
            asked = {**query, "page_token": token} if token else query
            answer = self.host.get_json(f"{API}/{path}", asked)
            yield from mappings(answer.get(key))
            token = text(answer.get("next_page_token"))
            if not token:
                return
            if token in seen:
                raise SourceError(f"{self.host.url} repeats its pages without end.")
            seen.add(token)

    def download_location(self, version: SourceVersion) -> str:
        """Where the server says that the files of a version lie.

        Raises:
            SourceError, Unauthenticated, Unavailable.
        """
        query: dict[str, str | int] = {"name": version.model, "version": version.number}
        return text(self.host.get_json(f"{API}/model-versions/get-download-uri", query).get("artifact_uri"))

    def _run(self, run_id: str) -> SourceRun:
        """A run; an empty one when it is gone or hidden. The last thousand are remembered."""
        try:
            answer = self.host.get_json(f"{API}/runs/get", {"run_id": run_id})
        except SourceError:
            return SourceRun()
        run = mapping(answer.get("run"))
        data = mapping(run.get("data"))
        return SourceRun(
            artifact_uri=text(mapping(run.get("info")).get("artifact_uri")),
            params=params(data.get("params"))[:_MAX_FACTS],
            metrics=metrics(data.get("metrics"))[:_MAX_FACTS],
            inputs=dataset_inputs(mapping(run.get("inputs")).get("dataset_inputs"))[:_MAX_FACTS],
        )


def _quoted(name: str) -> str:
    """A name in a search filter, which knows no escapes.

    Raises:
        SourceError: a name that no filter can hold.
    """
    if "'" not in name:
        return f"'{name}'"
    if '"' not in name:
        return f'"{name}"'
    raise SourceError(f"The name {name!r} holds both kinds of quotes, so its versions cannot be searched.")


def _model(raw: dict[str, Any]) -> SourceModel:
    name = text(raw.get("name"))
    if not name:
        raise MissingAtSource("The other server names no such model.")
    aliases = {text(one.get("alias")): whole(one.get("version")) for one in mappings(raw.get("aliases"))}
    return SourceModel(
        name=name,
        description=text(raw.get("description")),
        tags=_tags(raw),
        aliases={alias: number for alias, number in aliases.items() if alias and number},
        created_at=whole(raw.get("creation_timestamp")),
    )


def _version(raw: dict[str, Any]) -> SourceVersion:
    number = whole(raw.get("version"))
    stage = text(raw.get("current_stage"))
    return SourceVersion(
        model=text(raw.get("name")),
        number=number if number <= MAX_VERSION_NUMBER else 0,
        description=text(raw.get("description")),
        tags=_tags(raw),
        aliases=_alias_names(raw.get("aliases")),
        stage="" if stage == "None" else stage,
        status=text(raw.get("status")),
        run_id=text(raw.get("run_id")),
        model_id=text(raw.get("model_id")),
        source=text(raw.get("source")),
        created_at=whole(raw.get("creation_timestamp")),
        created_by=text(raw.get("user_id")),
    )


def _alias_names(raw: Any) -> tuple[str, ...]:
    """The aliases at a version: names on some servers, objects on others."""
    names = raw if isinstance(raw, list) else []
    return tuple(text(one.get("alias") if isinstance(one, dict) else one) for one in names)


def _tags(raw: dict[str, Any]) -> dict[str, str]:
    pairs = ((text(tag.get("key")), text(tag.get("value"))) for tag in mappings(raw.get("tags")))
    return {key: value for key, value in pairs if key}
