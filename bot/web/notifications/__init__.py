"""The page of notifications: destinations, the delivery log, and tests."""
