"""States: the http backend, versions of a state, and comparing them."""
