"""The embedded stack: every process that `manage.py up` runs, and the supervisor that runs them."""
