"""The addresses of models and versions. Stock clients print those of the two pages."""

from django.urls import path

from registry.web import (
    aliases,
    comparison,
    descriptions,
    model_changes,
    models,
    progress,
    tags,
    version_files,
    versions,
)

_MODEL = "explore/data/models/<str:catalog>/<str:schema>/<str:model>"
_VERSION = f"{_MODEL}/version/<int:version>"

urlpatterns = [
    path(_MODEL, models.model_page, name="model"),
    path(f"{_MODEL}/compare", comparison.compare, name="compare-versions"),
    path(f"{_MODEL}/description", descriptions.of_model, name="model-description"),
    path(f"{_MODEL}/description/draft", descriptions.draft_of_model, name="model-description-draft"),
    path(f"{_MODEL}/tag", tags.tag_model, name="model-tag"),
    path(f"{_MODEL}/untag", tags.untag_model, name="model-untag"),
    path(f"{_MODEL}/rename", model_changes.rename, name="model-rename"),
    path(f"{_MODEL}/delete", model_changes.delete, name="model-delete"),
    path(f"{_MODEL}/aliases", aliases.move, name="alias-moves"),
    path(f"{_MODEL}/aliases/<str:alias>", aliases.move_one, name="alias-move"),
    path(_VERSION, versions.version_page, name="version"),
    path(f"{_VERSION}/description", descriptions.of_version, name="version-description"),
    path(f"{_VERSION}/description/draft", descriptions.draft_of_version, name="version-description-draft"),
    path(f"{_VERSION}/tag", tags.tag_one, name="version-tag"),
    path(f"{_VERSION}/untag", tags.untag_one, name="version-untag"),
    path(f"{_VERSION}/aliases", aliases.version_aliases, name="version-aliases"),
    path(f"{_VERSION}/delete", model_changes.delete_one, name="version-delete"),
    path(f"{_VERSION}/progress", progress.progress, name="version-progress"),
    path(f"{_VERSION}/retry", progress.retry, name="version-retry"),
    path(f"{_VERSION}/view", version_files.view, name="version-file"),
    path(f"{_VERSION}/download", version_files.download, name="version-download"),
    path(f"{_VERSION}/picture", version_files.picture, name="version-picture"),
    path("explore/preview", descriptions.preview, name="description-preview"),
]
