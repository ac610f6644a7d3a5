"""Workspaces: what makes one run, its variables, and how directories become workspaces."""
