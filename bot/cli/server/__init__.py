"""Commands that start or maintain the server."""
