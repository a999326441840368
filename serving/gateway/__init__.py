"""Answers prediction requests: authenticates, picks a replica, captures. No Django, no database."""
