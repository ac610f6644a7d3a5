"""Encryption at rest: the root of derived keys, and rotation."""
