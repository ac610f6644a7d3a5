"""The heads that a pull request has had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Version:
    """A head that a pull request has had, from when on, and where it leaves its base."""

    id: int
    head_sha: str
    base_sha: str
    created_at: datetime
