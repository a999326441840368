"""Monitors as the newer of two generations of clients calls them: by the kind and the id of what is monitored."""
