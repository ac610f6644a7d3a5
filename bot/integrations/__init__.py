"""Integrations: chats, mail servers and other receivers that plangate.yml names. Nothing else is called."""
