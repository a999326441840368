"""What runs in a model's own environment, in the sandbox, to score the rows of a table."""
