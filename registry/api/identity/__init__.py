"""Identity on the wire: SCIM for users, groups and service principals, and personal access tokens."""
