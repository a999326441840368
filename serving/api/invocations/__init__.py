"""Django's side of the data plane: who may query. The requests themselves never reach Django."""
