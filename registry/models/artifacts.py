"""The bytes of versions: content-addressed blobs, the manifest that names them, multipart uploads on their way."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal
from registry.models.registered_models import ModelVersion


class Blob(models.Model):
    """Bytes kept once, named by their SHA-256. Alive as long as a manifest entry names it."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(help_text="Last time that an upload or a copy took it; the sweep waits after it.")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["used_at"], name="blob_used")]

    def __str__(self) -> str:
        return self.sha256


class ManifestEntry(models.Model):
    """One file of a version. The rows of a READY version never change."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="entries")
    modified_at = models.DateTimeField()

    class Meta:
        ordering = ("path",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "path"], name="manifest_path_once"),
        ]

    def __str__(self) -> str:
        return self.path


class MultipartUpload(models.Model):
    """A large file arriving in parts. `id` is the session token; parts lie on disk until completed or swept.

    `version` is empty for a file of a run or logged model. A completed upload stays for a while, so that a client
    that never read the answer can ask again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    path = models.CharField(max_length=2000, help_text="The file's full path, as the client spells it.")
    version = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="uploads")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.path
