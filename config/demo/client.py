"""REST calls of the demonstration, as a person with a token."""

import time
from typing import Any

import httpx

READY_SECONDS = 1800.0


class DemoError(Exception):
    """A step of the demonstration failed; the text says which, and what the server said."""


class Client:
    """Speaks to the installation as its first administrator."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120)

    def call(self, method: str, path: str, *, missing_ok: bool = False, exists_ok: bool = False, **more: Any) -> Any:
        """One call; answers its JSON, or None for what is missing or there already where that is fine.

        Raises:
            DemoError.
        """
        answer = self._http.request(method, path, **more)
        if answer.status_code == httpx.codes.NOT_FOUND and missing_ok:
            return None
        if "ALREADY_EXISTS" in answer.text and exists_ok:
            return None
        if answer.is_error:
            raise DemoError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait_until_ready(self, endpoint: str) -> None:
        """Wait until an endpoint answers.

        Raises:
            DemoError: its deployment failed, or took too long.
        """
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            state = self.call("GET", f"/api/2.0/serving-endpoints/{endpoint}")["state"]
            if state["config_update"] in {"UPDATE_FAILED", "UPDATE_CANCELED"}:
                raise DemoError(f"Endpoint {endpoint} was not deployed: see its page.")
            if state["config_update"] == "NOT_UPDATING" and state["ready"] == "READY":
                return
            time.sleep(1)
        raise DemoError(f"Endpoint {endpoint} was not ready after {READY_SECONDS:.0f} s.")
