"""The console's pages of serving: one module a noun. Django finds this package and registers them."""

from serving.admin import endpoints, environments, inference_tables, secrets

__all__ = ["endpoints", "environments", "inference_tables", "secrets"]
