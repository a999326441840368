"""The admin console: one module a noun, registered by `nouns`."""
