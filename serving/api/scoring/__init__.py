"""Scoring tables over our own REST: planned, and begun."""
