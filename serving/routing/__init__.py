"""What supervisor, gateway and workers tell each other through files: no Django, standard library only."""
