"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from serving.api.inference_tables import views

_ENDPOINT = r"^api/modelkeep/endpoints/(?P<endpoint>[^/]+)"

urlpatterns = [
    re_path(rf"{_ENDPOINT}/inference-tables/?$", views.InferenceTables.as_view()),
    re_path(rf"{_ENDPOINT}/labels/?$", views.Labels.as_view()),
]
