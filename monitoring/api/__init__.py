"""REST: monitors in the words of two generations of clients, alerts, and what clients have no call for."""
