"""The nouns of monitoring, one file a noun."""
