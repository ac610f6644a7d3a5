"""Run tasks: services are asked about a run, and call back with their results."""
