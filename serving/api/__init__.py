"""The wire of serving: one package a dialect."""
