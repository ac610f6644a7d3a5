"""Commands for runs, workspaces, states, variables and policies."""
