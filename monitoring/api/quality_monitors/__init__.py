"""Monitors as the older of two generations of clients calls them: below the table, by its name."""
