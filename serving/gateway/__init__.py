"""The data plane: invocations are answered here, in the event loop, without Django and without the database."""
