"""The wire shapes of API v2: what each resource looks like to its clients."""
