"""The wire: one package a dialect. Each takes wire in, calls a service, and shapes wire out."""
