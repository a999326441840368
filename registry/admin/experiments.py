"""Rights on experiments."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from registry.models import Experiment, ExperimentGrant


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    """Who owns which experiment of the tracking server."""

    list_display = ("experiment_id", "name", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "=experiment_id", "owner__key")
    ordering = ("-created_at",)


@admin.register(ExperimentGrant)
class ExperimentGrantAdmin(ReadOnlyAdmin):
    """Who may do what with an experiment; changed by its owner through the permissions API."""

    list_display = ("experiment", "principal", "level")
    list_select_related = ("experiment", "principal")
    list_filter = ("level",)
    search_fields = ("experiment__name", "principal__key")
    ordering = ("experiment__name", "principal__key")
