"""The model host: holds the processes of models. It has no database, no secret of the platform, and no Django.

It outlives the supervisor, which tells it over a Unix socket what to start and to end, so a supervisor that is killed
takes no model with it. When the host itself ends, every process that it holds ends with it.
"""
