"""GitLab: receives webhooks, writes statuses and notes. Other packages never see GitLab's data formats."""
