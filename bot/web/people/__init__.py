"""Signing in, and a person's tokens."""
