"""Tries an environment and a model in it, from inside. Imports nothing else of the product, nor Django."""
