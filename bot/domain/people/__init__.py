"""People: accounts, roles, tokens, where a request came from, and the audit line of what they did."""
