"""plangate.yml: its form, its checks, and the domain's values from it."""
