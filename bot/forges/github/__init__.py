"""GitHub: receives webhooks, writes statuses and comments. Other packages never see GitHub's data formats."""
