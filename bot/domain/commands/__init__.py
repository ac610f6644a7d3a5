"""Comment commands: the grammar, the flags, and the workspaces they name."""
