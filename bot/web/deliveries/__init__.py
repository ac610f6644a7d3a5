"""Pages of webhook deliveries."""
