"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from serving.api.scoring import views

urlpatterns = [
    re_path(r"^api/modelkeep/model-versions:score/?$", views.Score.as_view()),
    re_path(r"^api/modelkeep/model-versions:plan-score/?$", views.PlanScore.as_view()),
]
