"""Drift detection: which workspaces are checked when, and what the checks found."""
