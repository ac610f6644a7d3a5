"""The use cases, over ports. No framework, no vendor."""
