"""The bytes of versions, as facts."""

from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin
from registry.models import Blob, ManifestEntry, MultipartUpload


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin):
    """Content-addressed bytes."""

    list_display = ("sha256", "size", "created_at", "used_at")
    search_fields = ("=sha256",)
    ordering = ("-used_at",)


@admin.register(ManifestEntry)
class ManifestEntryAdmin(ReadOnlyAdmin):
    """Files of versions."""

    list_display = ("path", "version", "blob", "modified_at")
    list_select_related = ("version__model__securable__parent__parent", "blob")
    search_fields = ("path", "version__model__securable__key")
    ordering = ("-id",)


@admin.register(MultipartUpload)
class MultipartUploadAdmin(ReadOnlyAdmin):
    """Large files on their way. The id is what an upload is continued with, so no page shows it."""

    list_display = ("path", "principal", "created_at")
    list_display_links = None
    list_select_related = ("principal",)
    search_fields = ("path", "principal__key")
    ordering = ("-created_at",)
