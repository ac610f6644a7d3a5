"""The playground's pages, sign-in and webhooks."""
