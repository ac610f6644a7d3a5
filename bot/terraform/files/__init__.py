"""A run's own folder, and locks between the workers of one machine."""
