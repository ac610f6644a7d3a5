"""Runs: create, transition, queue, lock, cancel, confirm. The one way a run changes."""
