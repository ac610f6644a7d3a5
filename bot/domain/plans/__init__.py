"""Plans: modes, changes, attributes, digests, and how two plans differ."""
