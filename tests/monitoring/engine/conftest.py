import pytest

from tests.monitoring.engine.factories import Lake


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)
