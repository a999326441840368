"""Figures of dashboards, as the plain data that Plotly draws. Pure: no Django, and no table is read here."""
