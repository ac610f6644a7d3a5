"""The PolicyEngine port on Rego: reads sets of policies, and judges plans in a child process of its own."""

from bot.policies.engine import RegoEngine

__all__ = ["RegoEngine"]
