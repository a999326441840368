"""What these tests share with those of the tracking proxy."""

from tests.tracking.conftest import alice, bob, things, tracking, tracking_server, web  # noqa: F401  (fixtures)
