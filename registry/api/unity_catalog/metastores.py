"""The metastore: there is one, and it is the workspace's. Whoever is signed in may know of it."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.wire import object_response
from registry.errors import NotFound
from registry.services.securables import metastore


class MetastoreSummary(APIView):
    """GET metastore_summary."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Show the metastore."""
        return object_response(shapes.metastore(metastore()))


class MetastoreAssignment(APIView):
    """GET current-metastore-assignment."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Say which metastore and default catalog this workspace has."""
        return object_response(
            {
                "workspace_id": int(settings.WORKSPACE_ID),
                "metastore_id": str(metastore().pk),
                "default_catalog_name": settings.DEFAULT_CATALOG,
            }
        )


class Metastores(APIView):
    """GET metastores."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        """List the one."""
        return object_response({"metastores": [shapes.metastore(metastore())], "next_page_token": ""})


class Metastore(APIView):
    """GET metastores/{metastore_id}."""

    def get(self, request: Request, metastore_id: str) -> Response:  # noqa: ARG002
        """Show it.

        Raises:
            NotFound: another id.
        """
        found = metastore()
        if metastore_id.lower() != str(found.pk):
            raise NotFound(f"Metastore '{metastore_id}' does not exist.")
        return object_response(shapes.metastore(found))
