"""Makes the replicas that run equal those that are wanted, and publishes the routes to them."""
