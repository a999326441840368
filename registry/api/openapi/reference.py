"""The document describes itself."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import ANYTHING

DIALECT = Dialect(
    slug="openapi",
    title="This document",
    text="The description that you are reading, for programs.",
    paths={
        "/api/openapi.json": {
            "GET": Call(
                "document",
                ANYTHING,
                answers={304: "Not changed since the tag in If-None-Match."},
                summary="The OpenAPI document of everything that is served here",
            )
        }
    },
)
