"""OAuth for machines: service principals exchange a secret for an access token, and administrators manage secrets."""
