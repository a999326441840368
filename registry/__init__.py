"""The governed registry: the ground that serving and monitoring stand on."""
