"""Workspaces that are made, changed and deleted through the API."""
