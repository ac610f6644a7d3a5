"""Policies: enforcement levels, sets, their owners, and what a policy is told of a run."""
