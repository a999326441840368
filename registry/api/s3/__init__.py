"""An S3-compatible door to the files of versions, for clients that move files with object-store libraries alone.

Requests are signed with temporary credentials (AWS Signature Version 4); all bodies are streamed.
"""
