"""Child processes: their environment, their output, and how they end."""
