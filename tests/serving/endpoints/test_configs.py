"""What may be asked of an endpoint: every field that is read, and what is refused and why."""

import pytest

from registry.errors import InvalidParameter, LimitExceeded
from serving.models import EntityRole
from serving.services.endpoint_configs import check_endpoint_name, parse_config
from serving.services.endpoint_rollouts import shares_at

ONE = {"entity_name": "prod.ml.iris", "entity_version": "3"}


def config(*entities, **more):
    return {"served_entities": [{**ONE, **entity} for entity in entities or ({},)], **more}


def routes(**shares):
    return {"routes": [{"served_entity_name": name, "traffic_percentage": part} for name, part in shares.items()]}


def test_one_entity_gets_all_the_traffic_and_the_defaults():
    (entity,) = parse_config(config()).entities
    assert (entity.name, entity.model, entity.version, entity.alias) == ("iris-3", "prod.ml.iris", "3", "")
    assert (entity.traffic, entity.role, entity.workload_type) == (100, EntityRole.LIVE, "CPU")
    assert (entity.workload_size, entity.min_concurrency, entity.max_concurrency) == ("Small", 4, 4)
    assert not entity.scale_to_zero
    assert not entity.micro_batching


def test_the_older_form_reads_the_same():
    old = {"model_name": "prod.ml.iris", "model_version": 3, "scale_to_zero_enabled": True, "workload_size": "large"}
    (entity,) = parse_config({"served_models": [old]}).entities
    assert (entity.name, entity.version, entity.scale_to_zero) == ("iris-3", "3", True)
    assert (entity.workload_size, entity.min_concurrency, entity.max_concurrency) == ("Large", 16, 64)


@pytest.mark.parametrize(
    ("wire", "alias"),
    [({"entity_version": "@Champion"}, "Champion"), ({"entity_version": "", "entity_alias": "Champion"}, "Champion")],
)
def test_an_alias_to_follow(wire, alias):
    (entity,) = parse_config(config(wire)).entities
    assert (entity.alias, entity.version, entity.name) == (alias, "", "iris-Champion")


def test_an_answer_sent_back_goes_on_following():
    (entity,) = parse_config(config({"entity_version": "3", "entity_alias": "Champion"})).entities
    assert (entity.alias, entity.version) == ("Champion", "")


def test_shares_by_either_name():
    split = [
        {"served_model_name": "a", "traffic_percentage": 90},
        {"served_entity_name": "b", "traffic_percentage": 10},
    ]
    spec = parse_config(config({"name": "a"}, {"name": "b"}, traffic_config={"routes": split}))
    assert [entity.traffic for entity in spec.entities] == [90, 10]


def test_a_shadow_has_no_share():
    spec = parse_config(config({"name": "a"}, {"name": "b", "role": "shadow"}))
    assert [(entity.role, entity.traffic) for entity in spec.entities] == [("LIVE", 100), ("SHADOW", 0)]


def test_traffic_alone_is_of_what_is_served():
    served = parse_config(config({"name": "a"}, {"name": "b"}, traffic_config=routes(a=100, b=0))).entities
    spec = parse_config({"traffic_config": routes(a=50, b=50)}, current=served)
    assert [(entity.name, entity.traffic) for entity in spec.entities] == [("a", 50), ("b", 50)]


def test_concurrency_of_ones_own():
    wire = {"min_provisioned_concurrency": 8, "max_provisioned_concurrency": 24}
    (entity,) = parse_config(config(wire)).entities
    assert (entity.workload_size, entity.min_concurrency, entity.max_concurrency) == ("", 8, 24)


REFUSED = [
    ({"served_entities": []}, "'served_entities' is required"),
    ({"served_entities": "x"}, "'served_entities' is required"),
    ({"served_entities": [3]}, r"'served_entities\[0\]' must be an object"),
    ({**config(), "served_models": [ONE]}, "not both"),
    (config({"entity_name": ""}), "entity_name' is required"),
    (config({"entity_version": "latest"}), "number of a version"),
    (config({"entity_version": "0"}), "number of a version"),
    (config({"entity_version": ""}), "number of a version"),
    (config({"name": "a b"}), "letters, digits"),
    (config({}, {}), "Two served entities are called 'iris-3'"),
    (config({"name": "a"}, {"name": "b"}), "'traffic_config' is required"),
    (config(traffic_config=routes(**{"iris-3": 99})), "99 together"),
    (config(traffic_config=routes(other=100)), "which is not served"),
    (config(traffic_config={"routes": [3]}), "must be an object"),
    (config(traffic_config=routes(**{"iris-3": 101})), "0 to 100"),
    (config({"name": "a"}, {"name": "s", "role": "SHADOW"}, traffic_config=routes(a=90, s=10)), "SHADOW"),
    (config({"role": "SHADOW"}), "must be LIVE"),
    (config({"role": "GHOST"}), "LIVE or SHADOW"),
    (config({"workload_size": "Huge"}), "Small, Medium, Large"),
    (config({"workload_type": "TPU"}), "GPU_SMALL"),
    (config({"workload_size": "Small", "max_provisioned_concurrency": 8}), "not both"),
    (config({"min_provisioned_concurrency": 3, "max_provisioned_concurrency": 8}), "multiples of 4"),
    (config({"min_provisioned_concurrency": 8, "max_provisioned_concurrency": 4}), "multiples of 4"),
    (config({"min_provisioned_concurrency": 0, "max_provisioned_concurrency": 4}), "scale_to_zero_enabled"),
    (config({"scale_to_zero_enabled": "perhaps"}), "true or false"),
    (config({"environment_vars": {"1A": "x"}}), "begins with no digit"),
    (config({"environment_vars": {"A": 3}}), "must be text"),
    (config({"environment_vars": {"A": "{{secrets/scope}}"}}), "secrets/scope/key"),
    (config({"external_model": {"name": "gpt"}}), "External models are not served"),
    (config({"instance_profile_arn": "arn"}), "no instance profiles"),
    (config(rollout={"entity": "iris-3", "steps": [{"percent": 5, "seconds": 60}]}), "beside another one"),
    ("config", "'config' is required"),
]


@pytest.mark.parametrize(("wire", "message"), REFUSED)
def test_what_is_refused_says_why(wire, message):
    with pytest.raises(InvalidParameter, match=message):
        parse_config(wire)


def test_limits():
    with pytest.raises(LimitExceeded, match="at most 15"):
        parse_config(config(*({"name": f"e{number}"} for number in range(16))))
    with pytest.raises(LimitExceeded, match="31 variables"):
        parse_config(config({"environment_vars": {f"A{number}": "x" for number in range(31)}}))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 64, "pt", None])
def test_endpoint_names(name):
    with pytest.raises(InvalidParameter, match=r"'name'|'pt'"):
        check_endpoint_name(name)


def rollout(*steps, **more):
    return {"entity": "b", "steps": [{"percent": part, "seconds": 60} for part in steps], **more}


def test_a_rollout():
    wire = config({"name": "a"}, {"name": "b"}, traffic_config=routes(a=0, b=100), rollout=rollout(5, 50))
    asked = parse_config(wire).rollout
    assert [step.percent for step in asked.steps] == [5, 50]
    assert (asked.max_error_percent, asked.max_latency_ms, asked.min_requests) == (None, None, 20)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (rollout(), "1 to 20"),
        (rollout(100), "0 to 99"),
        (rollout(50, 5), "more percent"),
        (rollout(5, max_error_percent=101), "from 0 to 100"),
        ({"entity": "a", "steps": []}, "with a share"),
    ],
)
def test_rollouts_that_are_refused(wire, message):
    asked = config({"name": "a"}, {"name": "b"}, traffic_config=routes(a=0, b=100), rollout=wire)
    with pytest.raises(InvalidParameter, match=message):
        parse_config(asked)


@pytest.mark.parametrize(
    ("target", "before", "expected"),
    [
        ({"a": 0, "b": 100}, {"a": 100}, {"a": 95, "b": 5}),
        ({"a": 30, "c": 30, "b": 40}, {}, {"a": 48, "c": 47, "b": 5}),
        ({"a": 0, "c": 0, "b": 100}, {}, {"a": 48, "c": 47, "b": 5}),
        ({"a": 0, "c": 0, "b": 100}, {"a": 90, "c": 10}, {"a": 85, "c": 10, "b": 5}),
    ],
)
def test_shares_of_a_step(target, before, expected):
    shares = shares_at(share=5, entity="b", target=target, before=before)
    assert sum(shares.values()) == 100
    assert {name: abs(shares[name] - expected[name]) <= 1 for name in expected} == dict.fromkeys(expected, True)
    assert shares["b"] == 5
