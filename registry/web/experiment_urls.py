"""The addresses of experiments and runs."""

from django.urls import path

from registry.web import experiments, registration

_RUN = "experiments/<str:experiment_id>/runs/<str:run_id>"

urlpatterns = [
    path("experiments", experiments.experiments, name="experiments"),
    path("experiments/<str:experiment_id>", experiments.experiment_page, name="experiment"),
    path(_RUN, experiments.run_page, name="run"),
    path(f"{_RUN}/register", registration.register, name="register-run"),
    path(f"{_RUN}/register/plan", registration.plan, name="register-plan"),
]
