"""Policies: checks, overrides, versions of sets, and the replay of a changed set."""
