"""Variables: what people set, what plangate.yml declares, and the sync of both."""
