"""`make demo ONCE=1` tells its story to the end, on either forge."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.stage import free_port, kept_environment

pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_the_story_is_told_to_its_end(forge: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "bot.cli", "demo", "--once", "--forge", forge, "--port", str(free_port())]
    environment = {**kept_environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "2 workspaces applied" in done.stdout
    by_cli = "Apply complete! Resources: 1 added" if shutil.which("terraform") else "no terraform on PATH"
    assert by_cli in done.stdout
    assert "Done in" in done.stdout
