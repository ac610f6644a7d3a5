"""The commands of the tutorial work as they are written: a shell runs them, on the playground for GitHub."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.demo.people import Person, person
from bot.demo.stage import Stage, free_port, kept_environment
from tests.support.docs import ROOT, blocks, page

# It takes a minute, most of it for installing and for looking at GitHub every five seconds.
pytestmark = [pytest.mark.e2e, pytest.mark.soak]

PATIENCE = 240.0
REPO = "ana/plangate-tutorial"
DONE = "--- done ---"
# `make demo ONCE=1` is tested in tests/test_demo.py.
SETS_UP = "make demo ONCE=1\n"
# After a failure, the reader's cleaning up is missing.
ENDS_JOBS = "trap 'for job in $(jobs -p); do pkill -9 -P $job || true; kill -9 $job || true; done' EXIT\n"


class Shell:
    """One shell for all blocks, as a reader has; it ends at the first command that fails."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "-e"],
            cwd=ROOT,
            env={**kept_environment(), "HOME": str(folder), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run(ENDS_JOBS)

    def run(self, commands: str) -> str:
        assert self._bash.stdin and self._bash.stdout
        self._bash.stdin.write(f"{commands}echo '{DONE}'\n")
        self._bash.stdin.flush()
        said = ""
        for line in self._bash.stdout:
            if line.rstrip("\n") == DONE:
                return said
            said += line
        raise AssertionError(f"the shell ended within:\n{commands}\n{said}")

    def end(self) -> None:
        """End the shell. If a command failed, it has ended already, and its jobs with it."""
        assert self._bash.stdin
        with contextlib.suppress(BrokenPipeError):
            self._bash.stdin.close()
        self._bash.wait()


@pytest.fixture
def forge(stage_folder: Path) -> Iterator[Stage]:
    """A forge with an empty repository, and nothing of Plangate's."""
    stage = Stage(stage_folder, "")
    try:
        stage.start_forge()
        yield stage
    finally:
        stage.stop()


def until(ask: Callable[[], bool], what: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if ask():
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(log.glob("*.log")))
    raise AssertionError(f"{what} did not come\n{logs}")


def commented(ana: Person, number: int, words: str) -> Callable[[], bool]:
    return lambda: any(words in comment["body"] for comment in ana.comments(REPO, number))


def test_the_tutorial_works_as_it_is_written(forge: Stage, tmp_path: Path) -> None:
    ana = person(forge, "ana")
    forge.create_repo(REPO, {"ana": "admin"})
    token = str(forge.admin("POST", "/users", {"login": "ana"})["token"])
    basic = base64.b64encode(f"ana:{token}".encode()).decode()
    shell = Shell(
        tmp_path,
        {
            # What Git knows of a person on their own machine.
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": f"http.{forge.forge_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
            "GIT_CONFIG_KEY_1": "user.name",
            "GIT_CONFIG_VALUE_1": "ana",
            "GIT_CONFIG_KEY_2": "user.email",
            "GIT_CONFIG_VALUE_2": "ana@example.com",
            # Nobody reads here: one second is enough.
            "PLANGATE_SHOWN_FOR": "1s",
        },
    )
    port, redis = free_port(), free_port()

    def here(text: str) -> str:
        """Put the playground in the place of GitHub, and free ports in the place of the usual ones."""
        forges = f'forges:\n  github: {{kind: github, url: "{forge.forge_url}"}}\nworkspaces:\n'
        for written, ours in (
            (SETS_UP, ""),
            ("https://github.com", forge.forge_url),
            ("ghp_...", token),
            ("workspaces:\n", forges),
            ("127.0.0.1:8000", f"127.0.0.1:{port}"),
            ("plangate web ", f"plangate web --bind 127.0.0.1:{port} --processes 1 "),
            ("6399", str(redis)),
        ):
            text = text.replace(written, ours)
        return text

    steps = [here(block) for block in blocks(page("tutorial"), "sh")]
    *before, change, look, clean_up = steps
    folder = tmp_path / "plangate-tutorial"
    try:
        for step in before:
            shell.run(step)
        shell.run(change)
        number = ana.open_pull(REPO, "greet", "Greet the world")
        until(commented(ana, number, "/apply"), "the plan", folder)
        # As people do, Ana looks at the plan before she approves it (PLANGATE_SHOWN_FOR).
        time.sleep(2)
        (comment,) = blocks(page("tutorial"), "text")
        ana.comment(REPO, number, comment)
        until(commented(ana, number, "Applied hello"), "the result", folder)
        ana.merge(REPO, number)
        said = shell.run(look)
        assert "applied" in said
        assert "terraform_data.greeting" in said
        assert f"http://127.0.0.1:{port}/sign-in" in said
        shell.run(clean_up + "wait\n")
    finally:
        shell.end()
