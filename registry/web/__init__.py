"""The screens: server-rendered pages that call services, one module a group of pages."""
