"""Profiles and drift of Delta tables, window by window, in bounded memory. No Django."""
