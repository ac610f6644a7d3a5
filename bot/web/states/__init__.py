"""Pages of a workspace's states."""
