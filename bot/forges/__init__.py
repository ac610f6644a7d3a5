"""The forges that the bot speaks with: each folder turns one vendor's webhooks and API into our own words.

A forge is two things: `webhook.py`, which verifies and parses deliveries and does no I/O, and `client.py`,
which implements the `Forge` port. GitHub is here; GitLab takes its place beside it by bringing the same two.
"""
