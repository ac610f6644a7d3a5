"""A configuration for tests that build the services in a world of their own."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from bot.config import Config
from bot.wiring import configured


def settings(**changed: Any) -> Config:
    """Return a configuration with fields of a test's own."""
    return dataclasses.replace(_read(), **changed)


@cache
def _read() -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plangate.yml"
        path.write_text("workspaces: [{name: one, repo: acme/infra}]\n")
        return configured(
            {
                "PLANGATE_CONFIG": str(path),
                "PLANGATE_DATA": "data",
                "PLANGATE_URL": "https://plangate.test",
                "PLANGATE_INTERNAL_URL": "http://inside.test",
                "PLANGATE_SECRET_KEY": "A" * 43 + "=",
                "PLANGATE_GITHUB_TOKEN": "token",
                "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
                "PLANGATE_SANDBOX": "off",
                "PLANGATE_TERRAFORM_FROM_PATH": "false",
            }
        )
