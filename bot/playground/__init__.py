"""A small Git forge in one process, so that the demo and the end-to-end tests need no account anywhere."""
