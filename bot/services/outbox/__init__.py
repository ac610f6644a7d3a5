"""The outbox: workers to wake after a transaction, internal deliveries, and the audit log."""
