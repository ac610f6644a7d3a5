"""What a run may reach: the rules, and the proxy that keeps them."""
