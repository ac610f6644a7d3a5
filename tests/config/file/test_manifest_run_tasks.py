"""Run tasks in plangate.yml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import Config
from bot.domain.errors import ConfigError
from bot.domain.tasks.tasks import RunTask, TaskStage
from bot.services.ports import TaskMailbox
from bot.wiring import configured


def read(folder: Path, entries: str, **env: str) -> Config:
    path = folder / "plangate.yml"
    path.write_text(f"workspaces: [{{name: a, repo: acme/a}}]\nrun_tasks:\n{entries}\n")
    return configured(
        {
            "PLANGATE_CONFIG": str(path),
            "PLANGATE_DATA": str(folder),
            "PLANGATE_URL": "https://plangate.test",
            "PLANGATE_SECRET_KEY": "A" * 43 + "=",
            "PLANGATE_GITHUB_TOKEN": "token",
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
            **env,
        }
    )


def test_tasks_are_read_and_their_secrets_are_in_no_repr(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
  cost: {url: https://cost.example.com/task, key_env: COST_KEY}
  scan:
    {url_env: SCAN, key_env: SCAN_KEY, stages: [pre_plan, pre_apply], enforcement_level: mandatory,
     tags: [pci], exclude: ["x-*"], timeout: 90s}
""",
        COST_KEY="k3y",
        SCAN="https://scan.example.com/t?code=s3cr3t",
        SCAN_KEY="k3y",
    )
    assert config.run_tasks.tasks == (
        RunTask("cost", (TaskStage.POST_PLAN,)),
        RunTask(
            "scan",
            (TaskStage.PRE_PLAN, TaskStage.PRE_APPLY),
            mandatory=True,
            tags=("pci",),
            exclude=("x-*",),
            timeout=timedelta(seconds=90),
        ),
    )
    assert config.run_tasks.mailboxes == {
        "cost": TaskMailbox("https://cost.example.com/task", "k3y"),
        "scan": TaskMailbox("https://scan.example.com/t?code=s3cr3t", "k3y"),
    }
    assert "k3y" not in repr(config) and "s3cr3t" not in repr(config.run_tasks)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{url: 'https://x.test'}", "key_env: is missing"),
        ("{url: 'https://x.test', key_env: NOWHERE}", "NOWHERE: is not set, and plangate.yml names it"),
        ("{key_env: K}", "needs one address: write `url` or `url_env`"),
        ("{url: 'https://x.test', url_env: U, key_env: K}", "needs one address"),
        ("{url: 'http://x.test', key_env: K}", "is not encrypted"),
        ("{url: 'https://x.test', key_env: K, stages: [post_apply]}", "`post_apply` is not known"),
        ("{url: 'https://x.test', key_env: K, timeout: 2h}", "must be from 1s to 1h"),
        ("{url: 'https://x.test', key_env: K, enforcement_level: hard}", "`hard` is not known"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, entry: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"  cost: {entry}", K="k", U="https://x.test")
    assert why in str(caught.value)
