"""Pages of variables and variable sets."""
