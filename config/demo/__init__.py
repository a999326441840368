"""The demonstration: real flights, models of their delays, an endpoint, and a monitor that finds the season.

`manage.py up --demo` loads it into a running installation, through the interfaces that everybody uses. Each step
looks whether it is done already, so an interrupted load goes on where it was.
"""
