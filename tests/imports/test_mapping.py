"""How another registry's names, tags and stages are told in ours."""

import pytest

from registry.errors import InvalidParameter
from registry.names import check_tag_key
from registry.services.import_mapping import (
    DEFAULT_STAGES,
    Notes,
    destination_name,
    map_tags,
    wanted_aliases,
)
from registry.services.import_sources import SourceModel, SourceVersion


@pytest.mark.parametrize(
    ("name", "into", "there"),
    [
        ("iris", "a.b", "a.b.iris"),
        ("my.model/x", "a.b", "a.b.my_model_x"),
        ("c.s.m", "", "c.s.m"),
    ],
)
def test_names(name, into, there):
    notes = Notes()
    assert destination_name(name, into=into, notes=notes) == there
    assert bool(notes.lines()) == ("_" in there)


def test_a_flat_name_needs_a_schema(settings):
    settings.DEFAULT_CATALOG = ""
    with pytest.raises(InvalidParameter, match="three levels"):
        destination_name("iris", into="", notes=Notes())
    settings.DEFAULT_CATALOG, settings.DEFAULT_SCHEMA = "workspace", "default"
    assert destination_name("iris", into="", notes=Notes()) == "workspace.default.iris"


def test_tags_keep_what_they_can(settings):
    settings.MAX_TAGS_PER_OBJECT = 5
    notes = Notes()
    given = {"a_b": "1", "a.b": "2", "a-b": "3", "imported_version": "theirs", "z": "left out", "y": "x" * 2000}
    mapped = map_tags(given, {"imported_version": "7", "nothing": ""}, notes=notes)
    assert mapped["imported_version"] == "7"
    assert mapped["a_b"] == "1"
    assert len(mapped) == 5
    assert all(check_tag_key(key) for key in mapped)
    assert max(map(len, mapped.values())) <= 1000
    assert any("left out" in line for line in notes.lines())


def test_every_key_becomes_one_that_may_be_set():
    keys = ["a.b", " padded ", "x" * 400, "-", "a:b/c=d,e-f", "mlflow.note.content", "new\nline"]
    mapped = map_tags(dict.fromkeys(keys, "v"), {}, notes=Notes())
    assert len(mapped) == len(keys)
    assert all(check_tag_key(key) for key in mapped)


def test_a_stage_stands_for_its_newest_version_and_gives_way_to_an_alias():
    versions = [
        SourceVersion("m", 1, stage="Production"),
        SourceVersion("m", 2, stage="Production"),
        SourceVersion("m", 3, stage="Staging"),
        SourceVersion("m", 4, stage="Archived"),
    ]
    notes = Notes()
    model = SourceModel("m", aliases={"challenger": 1, "latest": 4, "v3": 2, "with space": 2})
    wanted = wanted_aliases(model, versions, DEFAULT_STAGES, notes=notes)
    assert wanted == {"challenger": 1, "with_space": 2, "Champion": 2}
    told = "\n".join(notes.lines())
    assert "Stage 'Staging' (version 3) was left out: alias 'Challenger' names version 1." in told
    assert "'latest' was left out" in told
    assert "'v3' was left out" in told
