"""A run's sandbox: what it sees, what it may use, and the supervisor that looks after it from outside."""

from bot.terraform.sandbox.closed import SAFE_PATH, Enclosure, Sandbox, SandboxMode

__all__ = ["SAFE_PATH", "Enclosure", "Sandbox", "SandboxMode"]
