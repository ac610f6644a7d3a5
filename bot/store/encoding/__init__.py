"""How values of the domain are stored as JSON, and read back from any version."""
