"""An environment is resolved and built once, shared, whole or absent, and its failures name the line at fault."""

import os
import signal
import subprocess
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from serving.models import EnvironmentState, ServingEnvironment, VersionEnvironment
from serving.services import environment_builds, package_resolver
from serving.services.environment_errors import BuildCanceled, EnvironmentFailed
from serving.services.environment_folders import environments_root, is_on_disk, read_log
from serving.services.environment_locks import only_one
from serving.services.environments import ensure_environment, environment_path

pytestmark = pytest.mark.django_db


def ask(environment, code: str) -> str:
    python = environment_path(environment) / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_version_gets_its_packages_and_the_next_with_equal_lines_builds_nothing(make_version, monkeypatch):
    told: list[str] = []
    first = ensure_environment(version=make_version("beta", "# a comment", "mlflow==3.17.2"), log=told.append)
    assert first.state == EnvironmentState.READY
    assert ask(first, "import alpha, beta; print(alpha.VERSION)") == "1.0", "beta holds alpha below 2"
    assert "alpha==1.0" in first.lock
    assert "--hash=sha256:" in first.lock
    assert first.size_bytes > 0
    assert any("Installing 3 packages" in line for line in told)
    assert "is ready" in read_log(first.digest)
    assert list((environment_path(first) / "lib").glob("python3.*/site-packages/__pycache__/alpha*.pyc")), "compiled"

    def refuse(*_arguments, **_options):
        pytest.fail("nothing may be resolved or installed")

    monkeypatch.setattr(environment_builds, "run_uv", refuse)
    monkeypatch.setattr(package_resolver, "run_uv", refuse)
    second_version = make_version("mlflow==3.17.2", "beta")
    told.clear()
    second = ensure_environment(version=second_version, log=told.append)
    assert second == first
    assert any("nothing to build" in line for line in told)
    assert VersionEnvironment.objects.get(version=second_version).environment == first


def test_an_answer_that_is_too_old_is_asked_for_again(make_version, settings, wheels):
    version = make_version("alpha<2", "mlflow")
    first = ensure_environment(version=version)
    first.resolutions.update(resolved_at=timezone.now() - timedelta(hours=settings.SERVING_RESOLUTION_HOURS + 1))
    told: list[str] = []
    assert ensure_environment(version=version, log=told.append) == first, "the same packages: the same environment"
    assert any("Resolving" in line for line in told)
    assert any("nothing to build" in line for line in told)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("alpha==9.9", r"'alpha==9\.9'.*does not exist.*alpha==2\.0"),
        ("scikit-lern", "no package 'scikit-lern'.*Did you mean 'scikit-learn'"),
        ("sklearn", "Did you mean 'scikit-learn'"),
        ("git+https://example.com/x.git", "version control"),
        ("--extra-index-url https://evil.example", "--extra-index-url.*operator"),
    ],
)
def test_a_line_that_cannot_be_had_is_named_and_kept(make_version, line, complaint):
    version = make_version("mlflow", line)
    with pytest.raises(EnvironmentFailed, match=complaint) as failed:
        ensure_environment(version=version)
    assert failed.value.line == line
    kept = VersionEnvironment.objects.get(version=version).environment
    assert (kept.state, kept.message) == (EnvironmentState.FAILED, failed.value.message)


def test_a_failure_goes_when_the_lines_resolve(make_version, wheels, settings, tmp_path):
    version = make_version("mlflow", "alpha==1.0")
    settings.SERVING_WHEELS = str(tmp_path)
    with pytest.raises(EnvironmentFailed, match="no package"):
        ensure_environment(version=version)
    settings.SERVING_WHEELS = str(wheels)
    found = ensure_environment(version=version)
    assert VersionEnvironment.objects.get(version=version).environment == found
    assert not ServingEnvironment.objects.filter(state=EnvironmentState.FAILED).exists()


def test_constraints_that_the_model_brings_bound_what_its_lines_bring(make_version):
    """MLflow writes `-c constraints.txt` and the file beside the requirements."""
    constraints = b"# bounds, not wishes\nalpha<2\npandas<3\n"
    found = ensure_environment(
        version=make_version("mlflow", "alpha", "-c constraints.txt", constraints_dot_txt=constraints)
    )
    assert "alpha==1.0" in found.lock
    assert "pandas" not in found.lock
    assert ensure_environment(version=make_version("mlflow", "alpha")) != found
    with pytest.raises(EnvironmentFailed, match="does not hold"):
        ensure_environment(version=make_version("mlflow", "--constraint=constraints.txt"))
    with pytest.raises(EnvironmentFailed, match=r"constraints\.txt, line 1.*the option --index-url"):
        ensure_environment(
            version=make_version(
                "mlflow", "-c constraints.txt", constraints_dot_txt=b"--index-url=https://evil.example"
            )
        )


def test_lines_that_contradict_each_other_are_both_named(make_version):
    with pytest.raises(EnvironmentFailed, match="contradict") as failed:
        ensure_environment(version=make_version("mlflow", "beta", "alpha==2.0"))
    assert "beta" in failed.value.line
    assert "alpha==2.0" in failed.value.line


def test_a_python_that_is_not_here_is_named_with_those_that_are(make_version, settings):
    version = make_version("mlflow", python_env_dot_yaml=b"python: 2.7.18\n")
    with pytest.raises(EnvironmentFailed, match=r"needs Python 2\.7\.18.*installed: .*3\.\d+"):
        ensure_environment(version=version)


def test_what_mlflow_needs_is_added(make_version):
    told: list[str] = []
    found = ensure_environment(version=make_version("alpha"), log=told.append)
    assert any("mlflow<4,>=3.17.2" in line for line in told)
    assert ask(found, "import mlflow.version as v; print(v.VERSION)") == "3.17.2"


def test_an_environment_in_which_mlflow_does_not_import_fails(make_version, settings, tmp_path):
    from tests.serving.environments.wheels import make_wheel

    broken = {"mlflow/__init__.py": "", "mlflow/pyfunc.py": "import yaml\n"}
    make_wheel(tmp_path / "broken", "mlflow", "3.17.2", broken)
    settings.SERVING_WHEELS = str(tmp_path / "broken")
    version = make_version("mlflow")
    with pytest.raises(EnvironmentFailed, match=r"does not import.*No module named 'yaml'.*Add 'pyyaml'"):
        ensure_environment(version=version)
    kept = VersionEnvironment.objects.get(version=version).environment
    assert kept.state == EnvironmentState.FAILED
    assert not is_on_disk(kept.digest)


def test_a_canceled_build_leaves_nothing(make_version, monkeypatch):
    told: list[str] = []
    with pytest.raises(BuildCanceled):
        ensure_environment(
            version=make_version("alpha"),
            log=told.append,
            canceled=lambda: any("Installing" in line for line in told),
        )
    row = ServingEnvironment.objects.get()
    assert row.state == EnvironmentState.PENDING
    assert [path.suffix for path in environments_root().iterdir()] == [".log"]


BUILDER = """
import os, sys, django
django.setup()
from django.conf import settings
settings.SERVING_ROOT, settings.ARTIFACT_ROOT = sys.argv[1], sys.argv[2]
settings.SERVING_WHEELS, settings.SERVING_NO_INDEX, settings.SERVING_UV_CACHE = sys.argv[3], True, sys.argv[4]
from registry.models import ModelVersion
from serving.services import environment_builds
from serving.services.environments import ensure_environment

def stop(folder, *, canceled):
    print("half way", flush=True)
    sys.stdin.read()

environment_builds.try_imports = stop
ensure_environment(version=ModelVersion.objects.get(pk=sys.argv[5]))
"""


@pytest.mark.django_db(transaction=True)
def test_a_builder_that_is_killed_leaves_nothing_that_counts(make_version, settings):
    import sys
    from urllib.parse import urlsplit, urlunsplit

    version = make_version("alpha==1.0")
    parts = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    places = [settings.SERVING_ROOT, settings.ARTIFACT_ROOT, settings.SERVING_WHEELS, settings.SERVING_UV_CACHE]
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, *places, str(version.pk)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert builder.stdout.readline() == "half way\n"
    row = ServingEnvironment.objects.get()
    assert row.state == EnvironmentState.BUILDING
    (left,) = [path for path in environments_root().iterdir() if path.is_dir()]
    assert not is_on_disk(row.digest)

    waited: list[str] = []
    done: list[ServingEnvironment] = []

    def wait() -> None:
        done.append(ensure_environment(version=version, log=waited.append))
        connection.close()

    waiter = threading.Thread(target=wait)
    waiter.start()
    pause = threading.Event()
    while not any("waiting for it" in line for line in waited):
        assert waiter.is_alive()
        pause.wait(0.02)
    builder.send_signal(signal.SIGKILL)
    builder.wait(20)
    builder.stdin.close()
    builder.stdout.close()
    waiter.join(60)
    assert done[0].state == EnvironmentState.READY
    assert ask(done[0], "import alpha; print(alpha.VERSION)") == "1.0"
    assert not left.exists(), "what the killed builder left is gone"
    assert any("Installing" in line for line in waited), "who waits reads what the builder tells"


def test_nobody_waits_for_a_lock_that_was_given_back():
    with only_one("x", waiting=lambda: pytest.fail("nobody has it")):
        pass
    with only_one("x", waiting=lambda: pytest.fail("it was given back")):
        pass
