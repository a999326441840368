"""Our own calls about inference tables: what is kept of an endpoint's requests, for how long, and labels for it."""
