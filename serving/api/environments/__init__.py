"""Environments of versions over our own REST: made, validated, their requirements edited, shown."""
