"""The picture of the estate: all workspaces, what connects them, and what goes on."""
