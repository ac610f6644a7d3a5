"""Approvals: what an apply requires, what was approved, and approvals that carry over."""
