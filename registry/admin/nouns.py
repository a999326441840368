"""Importing this module registers every noun with the console.

It is no part of the package's own import: Django finds the site's class inside this package, before there is a site.
"""

from registry.admin import (
    access_requests,
    artifacts,
    audit,
    experiments,
    operations,
    principals,
    registered_models,
    securables,
    webhooks,
    workspace,
)

__all__ = [
    "access_requests",
    "artifacts",
    "audit",
    "experiments",
    "operations",
    "principals",
    "registered_models",
    "securables",
    "webhooks",
    "workspace",
]
