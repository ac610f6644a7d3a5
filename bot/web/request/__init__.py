"""Handling of every request: authentication, authorisation, and reading of its body and query."""
