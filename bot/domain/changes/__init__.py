"""Changes: what an event leads to, what an apply requires, and why a workspace runs or not."""
