"""The OpenAPI document of every dialect. Each dialect declares its calls in a `reference` beside its `urls`."""
