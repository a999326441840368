"""The screens of serving."""
