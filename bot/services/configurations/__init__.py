"""Uploaded configurations: asked for, received, found again."""
