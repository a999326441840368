"""The path of the document, with and without a trailing slash."""

from django.urls import re_path

from registry.api.openapi.views import openapi_document

urlpatterns = [re_path(r"^api/openapi\.json/?$", openapi_document, name="openapi")]
