"""Paths of the Files API; those of calls answer with and without a slash at their end."""

from django.urls import path, re_path

from registry.api.files import links, views

_PATH = r"(?P<path>[\s\S]*)$"

urlpatterns = [
    re_path(rf"^api/2\.0/fs/files/{_PATH}", views.file_view, name="fs-files"),
    re_path(rf"^api/2\.0/fs/directories/{_PATH}", views.directory_view, name="fs-directories"),
    re_path(r"^api/2\.0/fs/create-download-url/?$", links.create_download_url, name="fs-create-download-url"),
    re_path(r"^api/2\.0/fs/create-upload-url/?$", links.create_upload_url, name="fs-create-upload-url"),
    re_path(r"^api/2\.0/fs/create-upload-part-urls/?$", links.create_part_urls, name="fs-create-upload-part-urls"),
    re_path(r"^api/2\.0/fs/create-abort-upload-url/?$", links.create_abort_url, name="fs-create-abort-upload-url"),
    path("_blob/<str:signed>", links.linked_view, name="blob"),
]
