"""The project: settings, URLs, process entries and the embedded stack."""
