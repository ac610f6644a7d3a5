"""Pages of a change."""
