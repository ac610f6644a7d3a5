"""Notifications: events of runs for destinations, gathered into messages and delivered from the outbox."""
