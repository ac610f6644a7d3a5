"""Prefixed ids; a run, its plan and its apply share one body, as in HashiCorp's API."""

from __future__ import annotations

import secrets

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Return a fresh id such as `run-CKuwsxMGgMd2X7zS`: 16 characters without look-alikes, 93 bits."""
    return f"{prefix}-" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def plan_id(run_id: str) -> str:
    """Return the id of the run's plan."""
    return "plan-" + run_id.removeprefix("run-")


def apply_id(run_id: str) -> str:
    """Return the id of the run's apply."""
    return "apply-" + run_id.removeprefix("run-")
