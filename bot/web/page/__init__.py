"""Shared parts of all pages: layout, elements, wording, output and errors."""
