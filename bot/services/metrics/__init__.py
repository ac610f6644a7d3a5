"""Metrics: which there are, and reading them all for a monitoring system."""
