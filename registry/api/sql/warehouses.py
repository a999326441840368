"""The one warehouse: there for clients that want to name one. It is always running, and costs nothing."""

import hashlib
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import object_response
from registry.errors import NotFound


def warehouse_id() -> str:
    """The same for ever on one installation, and of the length that clients expect."""
    return hashlib.sha256(f"warehouse of {settings.WORKSPACE_ID}".encode()).hexdigest()[:16]


def check_warehouse(given: str) -> None:
    """Refuse the id of a warehouse that is not ours; none at all is ours.

    Raises:
        NotFound.
    """
    if given and given != warehouse_id():
        raise NotFound(f"Warehouse '{given}' does not exist: use '{warehouse_id()}'.")


def _shape(request: Request) -> dict[str, Any]:
    host, _, port = request.get_host().partition(":")
    identifier = warehouse_id()
    return {
        "id": identifier,
        "name": "Modelkeep",
        "state": "RUNNING",
        "cluster_size": "Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "num_clusters": 1,
        "num_active_sessions": 0,
        "auto_stop_mins": 0,
        "warehouse_type": "PRO",
        "enable_photon": False,
        "enable_serverless_compute": False,
        "health": {"status": "HEALTHY"},
        "odbc_params": {
            "hostname": host,
            "port": int(port or (443 if request.is_secure() else 80)),
            "path": f"/sql/1.0/warehouses/{identifier}",
            "protocol": request.scheme,
        },
    }


class Warehouses(APIView):
    """GET warehouses."""

    def get(self, request: Request) -> Response:
        """The one there is."""
        return object_response({"warehouses": [_shape(request)]})


class OneWarehouse(APIView):
    """GET warehouses/{id}."""

    def get(self, request: Request, warehouse_id: str) -> Response:
        """The one there is, by its id."""
        check_warehouse(warehouse_id)
        return object_response(_shape(request))


class Switch(APIView):
    """POST warehouses/{id}/start and /stop."""

    def post(self, request: Request, warehouse_id: str) -> Response:  # noqa: ARG002
        """Nothing to do: it is always running."""
        check_warehouse(warehouse_id)
        return object_response({})
