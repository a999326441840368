"""MLflow's tracking REST and its UI: signed in, checked against the experiment, and passed on to the tracking server.

What a request touches is read from a canonical form, and that form is what goes on: the tracking server never
parses anything that was not checked here. A route that the table does not know is refused.
"""
