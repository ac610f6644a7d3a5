"""What Plangate knows: runs, workspaces, events, decisions. Standard library only; no clock, no I/O."""
