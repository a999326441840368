"""What everybody in the seeded world signs in with."""

PASSWORD = "correct horse battery"
