"""The path of this call, with and without a trailing slash."""

from django.urls import re_path

from serving.api.staging.views import StageDeployment

urlpatterns = [re_path(r"^api/2\.0/serving-endpoints:stageDeployment/?$", StageDeployment.as_view())]
