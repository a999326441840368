"""The mathematics of monitoring: pure functions over numpy arrays."""
