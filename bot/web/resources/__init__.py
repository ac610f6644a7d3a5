"""The page of resources over all workspaces."""
