"""An unmodified `mlflow server` and ours hold the same models, and are asked the same: the answers are one."""

from dataclasses import dataclass

import httpx
import pytest

from registry.models import Grant, Securable
from registry.services.catalogs import create_catalog
from registry.services.model_versions import NewVersion, begin_version
from registry.services.registered_models import create_model
from registry.services.schemas import create_schema

API = "/api/2.0/mlflow"

MODELS = {
    "churn": {"team": "risk", "tier": "gold"},
    "churn_v2": {"team": "Risk", "tier": "silver"},
    "Arcade": {"team": "sales"},
    "price model": {"tier": "gold", "cost_center": "7"},
    "ml.ranking.ranker": {"team": "risk"},
    "zeta": {},
}
VERSIONS = {"churn": 3, "churn_v2": 2, "ml.ranking.ranker": 2, "zeta": 1}


@dataclass(frozen=True)
class Question:
    """A search, and what it is asked with."""

    path: str
    filter: str = ""
    order_by: tuple[str, ...] = ()

    @property
    def query(self) -> list[tuple[str, str]]:
        return [("filter", self.filter)] * bool(self.filter) + [("order_by", key) for key in self.order_by]


def models(filter_text="", *order_by):
    return Question("registered-models/search", filter_text, order_by or ("name ASC",))


def versions(filter_text="", *order_by):
    return Question("model-versions/search", filter_text, order_by or ("name ASC",))


ANSWERED = [
    models(),
    models("", "name DESC"),
    models("", "last_updated_timestamp DESC"),
    models("", "timestamp ASC"),
    models("", "last_updated_timestamp ASC", "name DESC"),
    models("name = 'churn'"),
    models('name = "churn"'),
    models("name='churn'"),
    models("attribute.name = 'churn'"),
    models("name = 'ml.ranking.ranker'"),
    models("name = 'nothing'"),
    models("name != 'churn'"),
    models("name LIKE 'churn%'"),
    models("name LIKE '%churn'"),
    models("name LIKE 'CHURN%'"),
    models("name LIKE 'churn_v_'"),
    models("name LIKE 'c%n'"),
    models("name LIKE '%a%'"),
    models("name LIKE 'ml.%'"),
    models("name LIKE '%.ranker'"),
    models("name LIKE 'Ar%'"),
    models("name LIKE 'ar%'"),
    models("name LIKE 'workspace%'"),
    models("name LIKE '%price model%'"),
    models("name ILIKE 'CHURN%'"),
    models("name ILIKE '%ARCADE%'"),
    models("name IN ('churn', 'zeta')"),
    models("name NOT IN ('churn', 'zeta')"),
    models("tags.team = 'risk'"),
    models("tag.team = 'risk'"),
    models("tags.`team` = 'risk'"),
    models("tags.team != 'risk'"),
    models("tags.team LIKE 'r%'"),
    models("tags.team ILIKE 'R%'"),
    models("tags.team = 'risk' AND tags.tier = 'gold'"),
    models("tags.tier = 'gold' AND name LIKE 'ch%'"),
    models("tags.nothing = 'x'"),
    models("tags.nothing != 'x'"),
    models("tags.`mlflow.prompt.is_prompt` != 'true'"),
    models("tags.`mlflow.prompt.is_prompt` = 'false'"),
    models("tags.`mlflow.prompt.is_prompt` = 'true'"),
    versions(),
    versions("", "name DESC"),
    versions("", "version_number DESC"),
    versions("", "version_number ASC", "name DESC"),
    versions("", "creation_timestamp ASC"),
    versions("", "last_updated_timestamp DESC"),
    versions("name = 'churn'"),
    versions("name != 'churn'"),
    versions("name LIKE '%r%'"),
    versions("name ILIKE 'CHURN%'"),
    versions("name IN ('churn', 'ml.ranking.ranker')"),
    versions("name NOT IN ('churn')"),
    versions("name = 'churn' AND version_number > 1"),
    versions("version_number = 1"),
    versions("version_number != 1"),
    versions("version_number <= 2", "version_number ASC"),
    versions("version_number >= 3"),
    versions("version_number < 0"),
    versions("version_number = '2'"),
    versions("version_number = 99999999999"),
    versions("run_id = '{run}'"),
    versions("run_id != '{run}'"),
    versions("run_id IN ('{run}', 'x')"),
    versions("run_id NOT IN ('{run}')"),
    versions("run_id LIKE '%'"),
    versions("source_path = 's3://b/churn/1'"),
    versions("source_path != 's3://b/churn/1'"),
    versions("source_path LIKE 's3://b/churn/%'"),
    versions("source_path ILIKE 'S3://b/CHURN%'"),
    versions("tags.checked = 'yes'"),
    versions("tags.checked != 'yes'"),
    versions("name = 'churn' AND tags.checked ILIKE 'Y%'"),
]

REFUSED = [
    models("name"),
    models("name ="),
    models("name = churn"),
    models("name = 'churn' OR name = 'zeta'"),
    models("name > 'churn'"),
    models("owner = 'x'"),
    models("run_id = 'x'"),
    models("param.a = 'x'"),
    models("tags.team IN ('risk')"),
    models("tags.team > 'risk'"),
    models("tags.team = 1"),
    models("", "owner"),
    models("", "version_number"),
    models("", "name SIDEWAYS"),
    models("", "tags.team"),
    versions("version_number = 'x'"),
    versions("version_number = 1.5"),
    versions("version_number LIKE '1%'"),
    versions("version_number IN ('1')"),
    versions("source_path IN ('x')"),
    versions("run_id > 'x'"),
    versions("run_id = 1"),
    versions("status = 'READY'"),
    versions("name = 'churn' version_number = 1 OR"),
    versions("", "run_id"),
]


@pytest.fixture
def mlflow_server(tracking_server):
    """The real one, as it is on its socket; without models again afterwards."""
    transport = httpx.HTTPTransport(uds=str(tracking_server.socket))
    with httpx.Client(transport=transport, base_url="http://mlflow", timeout=60) as client:
        yield client
        for name in MODELS:
            client.request("DELETE", f"{API}/registered-models/delete", json={"name": name})


@pytest.fixture
def both(people, alice, things, mlflow_server):
    """The same models and versions on both sides, made in the same order; some of them of Alice's run."""
    _let_make_models(people, alice, "ml.ranking")
    for name, tags in MODELS.items():
        _make(mlflow_server, "registered-models", name=name, tags=_listed(tags))
        create_model(actor=alice.actor, name=_full(name), tags=tags)
    for name, count in VERSIONS.items():
        for number in range(1, count + 1):
            source, run_id = f"s3://b/{name}/{number}", things.run if number == 1 else ""
            tags = {} if number == 3 else {"checked": "yes" if number == 1 else "no"}
            _make(mlflow_server, "model-versions", name=name, source=source, run_id=run_id, tags=_listed(tags))
            new = NewVersion(source=source, run_id=run_id, tags=tags)
            begin_version(actor=alice.actor, name=_full(name), new=new)
    return things.run


def _full(name):
    return name if "." in name else f"workspace.default.{name}"


def _listed(tags):
    return [{"key": key, "value": value} for key, value in tags.items()]


def _make(server, kind, **fields):
    made = server.post(f"{API}/{kind}/create", json={name: value for name, value in fields.items() if value})
    assert made.status_code == 200, made.text


def _let_make_models(people, caller, schema):
    catalog, _, own = schema.partition(".")
    create_catalog(actor=people.metastore_admin, name=catalog)
    create_schema(actor=people.metastore_admin, catalog=catalog, name=own)
    for name, privileges in ((catalog, ["USE_CATALOG"]), (own, ["USE_SCHEMA", "CREATE_MODEL"])):
        securable = Securable.objects.get(name=name)
        Grant.objects.bulk_create(
            Grant(securable=securable, principal=caller.principal, privilege=privilege) for privilege in privileges
        )


def _found(question, answer):
    """What was found, in order: names, and numbers of versions."""
    rows = answer.get(question.path.partition("/")[0].replace("-", "_"), [])
    return [(row["name"], str(row.get("version", ""))) for row in rows]


def _asked(question, caller, server, run):
    query = [(key, value.replace("{run}", run)) for key, value in question.query]
    ours = caller.call("GET", f"{API}/{question.path}?{httpx.QueryParams(query)}")
    return server.get(f"{API}/{question.path}", params=query), ours


def test_both_find_the_same_in_the_same_order(both, alice, mlflow_server):
    differences, found_something = [], 0
    for question in ANSWERED:
        theirs, ours = _asked(question, alice, mlflow_server, both)
        assert theirs.status_code == 200, (question, theirs.text)
        expected, found = _found(question, theirs.json()), _found(question, ours.json())
        found_something += bool(expected)
        if (ours.status_code, found) != (200, expected):
            differences.append((question, expected, found or ours.content))
    assert differences == []
    assert found_something > len(ANSWERED) * 0.7


def test_both_refuse_the_same_with_the_same_code(both, alice, mlflow_server):
    differences = []
    for question in REFUSED:
        theirs, ours = _asked(question, alice, mlflow_server, both)
        codes = [(answer.status_code, answer.json().get("error_code")) for answer in (theirs, ours)]
        if codes != [(400, "INVALID_PARAMETER_VALUE")] * 2:
            differences.append((question, *codes))
    assert differences == []


@pytest.mark.parametrize("kind", ["registered-models", "model-versions"])
def test_both_page_through_all(kind, both, alice, mlflow_server):
    def pages(get):
        rows, token = [], ""
        while True:
            query = {"order_by": "name ASC", "max_results": 2} | ({"page_token": token} if token else {})
            answer = get(f"{API}/{kind}/search", query).json()
            page = _found(Question(f"{kind}/search"), answer)
            rows.append(page)
            token = answer.get("next_page_token", "")
            if not token:
                return rows

    theirs = pages(lambda path, query: mlflow_server.get(path, params=query))
    assert theirs == pages(lambda path, query: alice.get(path, **query))
    assert [len(page) for page in theirs][:2] == [2, 2]


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("registered-models", 1000, 200),
        ("registered-models", 1001, 400),
        ("model-versions", 200_000, 200),
        ("model-versions", 200_001, 400),
    ],
)
def test_both_have_the_same_limits(kind, size, status, both, alice, mlflow_server):
    query = {"max_results": size}
    answers = [
        mlflow_server.get(f"{API}/{kind}/search", params=query),
        alice.get(f"{API}/{kind}/search", **query),
    ]
    assert [answer.status_code for answer in answers] == [status, status]


def test_both_answer_calls_about_what_is_there_and_what_is_not_alike(both, alice, mlflow_server):
    for method, path, fields in [
        ("POST", "registered-models/create", {"name": "churn"}),
        ("GET", "registered-models/get", {"name": "nothing"}),
        ("GET", "registered-models/get", {}),
        ("POST", "registered-models/create", {"name": ""}),
        ("POST", "registered-models/create", {"name": "a/b"}),
        ("POST", "registered-models/rename", {"name": "churn", "new_name": "zeta"}),
        ("POST", "registered-models/rename", {"name": "nothing", "new_name": "else"}),
        ("PATCH", "registered-models/update", {"name": "nothing", "description": "x"}),
        ("DELETE", "registered-models/delete", {"name": "nothing"}),
        ("POST", "registered-models/alias", {"name": "churn", "alias": "v1", "version": "1"}),
        ("POST", "registered-models/alias", {"name": "churn", "alias": "latest", "version": "1"}),
        ("POST", "registered-models/alias", {"name": "churn", "alias": "a b", "version": "1"}),
        ("POST", "registered-models/alias", {"name": "churn", "alias": "A", "version": "99"}),
        ("POST", "registered-models/set-tag", {"name": "nothing", "key": "a", "value": "b"}),
        ("DELETE", "registered-models/delete-tag", {"name": "churn", "key": "nothing"}),
        ("GET", "model-versions/get", {"name": "churn", "version": "99"}),
        ("GET", "model-versions/get", {"name": "churn", "version": "x"}),
        ("GET", "model-versions/get-download-uri", {"name": "churn", "version": "99"}),
        ("POST", "model-versions/create", {"name": "churn"}),
        ("POST", "model-versions/create", {"name": "churn", "source": "/etc/passwd"}),
        ("DELETE", "model-versions/delete", {"name": "churn", "version": "99"}),
        ("POST", "registered-models/get-latest-versions", {"name": "nothing"}),
    ]:
        if method == "GET":
            theirs, ours = mlflow_server.get(f"{API}/{path}", params=fields), alice.get(f"{API}/{path}", **fields)
        else:
            theirs = mlflow_server.request(method, f"{API}/{path}", json=fields)
            ours = alice.call(method, f"{API}/{path}", fields)
        codes = [(answer.status_code, answer.json().get("error_code")) for answer in (theirs, ours)]
        assert codes[0] == codes[1], (path, fields, codes, ours.content)
