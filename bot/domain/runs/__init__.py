"""Runs: the lifecycle, the queue, and what a person may do with a run now."""
