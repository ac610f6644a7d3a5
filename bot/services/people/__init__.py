"""People: roles, sessions, tokens and signing in."""
