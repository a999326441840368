"""Our own REST, for what no stock client knows: long work and what starts it."""
