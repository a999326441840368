"""Makes the running replicas equal the wanted ones, and publishes where they are."""
