"""Git mirrors, working trees, and reading a configuration's files."""
