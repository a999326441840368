"""Requirement lines are data: packages with releases pass, everything that would do more is refused by name."""

from types import SimpleNamespace

import pytest

from serving.services import interpreters, wanted_environments
from serving.services.environment_errors import EnvironmentFailed
from serving.services.interpreters import Interpreter, choose_interpreter
from serving.services.package_names import meant_package, package_of_module
from serving.services.requirement_lines import add_lines, parse_lines, remove_lines
from serving.services.wanted_environments import conda_with_lines, read_wanted


def texts(*lines: str) -> list[str]:
    return [line.text for line in parse_lines(lines, origin="requirements.txt")]


def test_packages_with_releases_extras_and_markers_pass():
    assert texts(
        "mlflow==3.17.2",
        "# a comment",
        "",
        "uvicorn[standard]>=0.30,<1  # why",
        "pandas==2.2.3; python_version < '3.13'",
        "torch==2.4.0+cpu",
        "scikit-learn \\",
        "  ==1.7.0",
    ) == [
        "mlflow==3.17.2",
        "uvicorn[standard]<1,>=0.30",
        'pandas==2.2.3; python_version < "3.13"',
        "torch==2.4.0+cpu",
        "scikit-learn==1.7.0",
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("-r other.txt", "the option -r.*lines of that file"),
        ("-rother.txt", "the option -r"),
        ("--requirement=other.txt", "the option --requirement"),
        ("-c constraints.txt", "the option -c"),
        ("-e .", "the option -e.*wheel"),
        ("-i https://evil.example/simple", "the option -i.*operator"),
        ("--index-url=https://evil.example/simple", "the option --index-url"),
        ("--extra-index-url https://evil.example", "the option --extra-index-url"),
        ("--find-links /tmp", "the option --find-links"),
        ("--pre", "the option --pre"),
        ("git+https://example.com/x.git#egg=x", "version control"),
        ("x @ git+ssh://example.com/x.git", "version control"),
        ("x @ https://example.com/x-1.0-py3-none-any.whl", "a URL"),
        ("https://example.com/x.tar.gz", "a URL"),
        ("x @ file:///etc/passwd", "a URL"),
        ("./x-1.0-py3-none-any.whl", "a local path"),
        ("code/x-1.0-py3-none-any.whl", "a local path"),
        ("..\\x", "a local path"),
        ("/etc/passwd", "a local path"),
        ("~/x", "a local path"),
        ("six==1.0 --hash=sha256:00", "an option after the requirement"),
        ("six==1.0 --global-option=x", "an option after the requirement"),
        ("six=1.0", "cannot be read.*name==version"),
        ("six; import os", "cannot be read"),
        ("$(id)", "cannot be read"),
        ("x" * 2000, "longer than"),
    ],
)
def test_what_is_more_than_a_name_is_refused_with_its_line(line, complaint):
    with pytest.raises(EnvironmentFailed, match=complaint) as failed:
        parse_lines(["mlflow", line], origin="requirements.txt")
    assert "requirements.txt, line 2" in failed.value.message
    assert failed.value.line in line


def test_added_lines_take_the_place_of_those_of_the_same_package():
    old = parse_lines(["Scikit_Learn==1.6", "pandas"], origin="a")
    new = parse_lines(["scikit-learn==1.7", "six"], origin="b")
    assert [str(line) for line in add_lines(old, new)] == ["scikit-learn==1.7", "pandas", "six"]
    assert [str(line) for line in remove_lines(old, ["SCIKIT.learn", "nowhere"])] == ["pandas"]


def version_with(monkeypatch, files: dict[str, bytes], **facts: object) -> SimpleNamespace:
    monkeypatch.setattr(wanted_environments, "read_small_file", lambda _version, path, _limit: files.get(path))
    return SimpleNamespace(mlmodel={"mlflow_version": "3.17.2", **facts}, requirements="")


CONDA = b"""
channels: [conda-forge]
dependencies:
  - python=3.7.0
  - scikit-learn=0.21.3
  - conda-forge::numpy=1.2
  - pip<=23
  - pip:
    - mlflow==3.17.2
    - six
"""


def test_conda_yaml_alone_gives_python_pip_lines_and_packages_of_the_same_name(monkeypatch):
    wanted = read_wanted(version_with(monkeypatch, {"conda.yaml": CONDA}))
    assert wanted.python == "3.7.0"
    assert [line.text for line in wanted.lines] == ["mlflow==3.17.2", "six", "scikit-learn==0.21.3", "numpy==1.2.*"]
    assert len(wanted.notes) == 2


def test_requirements_and_python_env_come_first_and_an_override_before_them(monkeypatch):
    files = {"conda.yaml": CONDA, "requirements.txt": b"mlflow\nsix==1.0\n", "python_env.yaml": b"python: 3.11.7"}
    wanted = read_wanted(version_with(monkeypatch, files), override=["six==2.0"])
    assert wanted.python == "3.11.7"
    assert [line.text for line in wanted.lines][:2] == ["mlflow", "six==2.0"]


def test_skinny_mlflow_is_kept_and_gets_what_pyfunc_needs(monkeypatch):
    wanted = read_wanted(version_with(monkeypatch, {"requirements.txt": b"mlflow-skinny==3.17.2\npandas==2.2.3\n"}))
    assert [line.text for line in wanted.lines] == ["mlflow-skinny==3.17.2", "pandas==2.2.3", "numpy"]


def test_a_file_that_nobody_can_read_is_named(monkeypatch):
    with pytest.raises(EnvironmentFailed, match=r"python_env\.yaml cannot be read"):
        read_wanted(version_with(monkeypatch, {"python_env.yaml": b"a: [", "requirements.txt": b"six"}))


def test_equal_lines_in_another_order_are_the_same_question(monkeypatch):
    first = read_wanted(version_with(monkeypatch, {"requirements.txt": b"six\nmlflow\n"}))
    second = read_wanted(version_with(monkeypatch, {"requirements.txt": b"mlflow\n\nsix # why\nsix"}))
    assert first.text == second.text


def test_conda_yaml_gets_another_pip_section_and_keeps_the_rest():
    written = wanted_environments.read_mapping(conda_with_lines(CONDA, ["mlflow==3.17.2", "polars"]), "conda.yaml")
    assert written["channels"] == ["conda-forge"]
    assert written["dependencies"][-1] == {"pip": ["mlflow==3.17.2", "polars"]}
    assert "scikit-learn=0.21.3" in written["dependencies"]


HERE = [
    Interpreter(version, f"/opt/{version}/bin/python", "linux-x86_64-gnu")
    for version in ("3.9.1", "3.11.2", "3.11.7")
]


@pytest.mark.parametrize(
    ("wanted", "version"), [("3.11.2", "3.11.2"), ("3.11.5", "3.11.7"), ("3.11", "3.11.7"), ("3.9", "3.9.1")]
)
def test_a_model_gets_its_python_or_the_same_minor(monkeypatch, wanted, version):
    monkeypatch.setattr(interpreters, "installed_interpreters", lambda **_: HERE)
    found, note = choose_interpreter(wanted)
    assert found.version == version
    assert bool(note) == (wanted != version)


def test_another_minor_is_refused_unless_the_operator_allows_the_nearest(monkeypatch, settings):
    monkeypatch.setattr(interpreters, "installed_interpreters", lambda **_: HERE)
    with pytest.raises(EnvironmentFailed, match=r"needs Python 3\.10.*3\.9\.1, 3\.11\.2, 3\.11\.7"):
        choose_interpreter("3.1")  # YAML's reading of 3.10
    settings.SERVING_NEAREST_PYTHON = True
    found, note = choose_interpreter("3.12.1")
    assert found.version.startswith("3.11")
    assert note.startswith("WARNING")


def test_misspelt_names_are_guessed_and_others_are_not():
    assert meant_package("scikit-lern") == "scikit-learn"
    assert meant_package("sklearn") == "scikit-learn"
    assert meant_package("pandsa") == "pandas"
    assert meant_package("company-internal-thing") == ""
    assert package_of_module("sklearn.ensemble") == "scikit-learn"
    assert package_of_module("xgboost") == "xgboost"
