"""Secrets through a stock databricks-sdk."""

import sys

import pytest

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

STEPS = ["scopes", "secrets", "never shown", "access lists", "deleted"]


def test_secrets(server):
    done = server.run(sys.executable, "secret_scopes.py", "walk", "account users")
    assert [line.removeprefix("ok ") for line in done.stdout.splitlines()] == STEPS, done.stderr[-6000:]
