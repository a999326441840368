"""The stores on an S3-compatible object store: ARTIFACT_ROOT=s3://bucket/prefix."""
