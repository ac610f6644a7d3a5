"""GitLab: deliveries in, statuses and notes out. Nothing past this folder sees GitLab's own shapes."""
