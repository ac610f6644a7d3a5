"""Notifications: which events of runs are told to which destinations, and in which words."""
