"""SQL as clients send it: what a statement asks for, what it may say, and the process that runs its query."""
