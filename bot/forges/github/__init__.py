"""GitHub: deliveries in, statuses and comments out. Nothing past this folder sees GitHub's own shapes."""
