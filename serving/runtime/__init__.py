"""Loads one model and answers for it, inside the model's own environment. Imports nothing else of the product."""
