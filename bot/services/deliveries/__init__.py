"""Deliveries: accept and handle a webhook, handle one again, and follow run triggers."""
