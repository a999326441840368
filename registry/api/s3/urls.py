"""Paths of the S3 door. A client's endpoint URL is `http://host/s3`."""

from django.urls import re_path

from registry.api.s3.buckets import bucket_view, root_view
from registry.api.s3.objects import object_view

_BUCKET = r"(?P<bucket>[^/]+)"

urlpatterns = [
    re_path(r"^s3/?$", root_view, name="s3"),
    re_path(rf"^s3/{_BUCKET}/?$", bucket_view, name="s3-bucket"),
    re_path(rf"^s3/{_BUCKET}/(?P<key>[\s\S]+)$", object_view, name="s3-object"),
]
