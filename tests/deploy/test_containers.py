"""The image and the compose file: rules like those of hadolint, and that what they name is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from bot.cli import cli
from bot.config import table
from bot.dispatch import QUEUES
from bot.forges.kinds import KINDS
from tests.support.docs import ROOT

SETTINGS = {setting.name: setting for setting in table(KINDS)}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("web", "worker", "reporter")


def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with its arguments in one line."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [arguments for instruction, arguments in steps() if instruction == name]


def check_command(words: list[str]) -> None:
    """Make sure that these words are a command of ours with options that it has."""
    assert words[0] == "plangate"
    command = cli.get_command(click.Context(cli), words[1])
    assert command is not None, words
    command.make_context(words[1], list(words[2:]), resilient_parsing=False)


def test_base_images_are_pinned_to_a_version() -> None:
    images = [words.split("=", 1)[1] for words in of("ARG")] + [
        service["image"] for name, service in SERVICES.items() if name not in OURS
    ]
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?-[a-z-]+(@sha256:[0-9a-f]{64})?", image), image
        assert "latest" not in image
    assert {words.split(" ")[0] for words in of("FROM")} == {"${PYTHON}"}


def test_the_image_does_not_run_as_root_and_keeps_nothing_of_the_build() -> None:
    final = steps()[max(i for i, step in enumerate(steps()) if step[0] == "FROM") :]
    assert [words for name, words in final if name == "USER"] == ["10001:10001"]
    names = [name for name, _ in final]
    assert names.index("USER") < names.index("CMD")
    copied = [words for name, words in final if name == "COPY"]
    assert copied == ["--from=build /opt/plangate /opt/plangate"]
    assert of("ADD") == []
    assert not any("sudo" in words or "curl" in words or "chmod 777" in words for words in of("RUN"))


def test_packages_are_installed_with_hashes_and_without_leftovers() -> None:
    text = " ".join(of("RUN"))
    for call in re.findall(r"pip install [^&]*", text):
        assert "--no-cache-dir" in call
        assert "--no-deps" in call
        assert "--require-hashes" in call or "--no-index" in call, call
    for call in re.findall(r"apt-get install [^&]*", text):
        assert "--no-install-recommends" in call
        assert {"git", "bubblewrap", "ca-certificates"} <= set(call.split())
    assert text.count("apt-get update") == text.count("rm -rf /var/lib/apt/lists/*") == 1


def test_each_file_that_the_build_copies_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    for words in of("COPY"):
        if words.startswith("--from"):
            continue
        for source in words.split()[:-1]:
            name = source.removeprefix("./")
            assert (ROOT / name).exists(), name
            assert name in allowed, f".dockerignore leaves out {name}"


def test_the_build_has_every_file_that_the_wheel_needs(tmp_path: Path) -> None:
    copied = [words.split() for words in of("COPY") if not words.startswith("--from")]
    for *sources, target in copied:
        for source in sources:
            if (ROOT / source).is_dir():
                # As Docker does: what is in the folder, not the folder itself.
                shutil.copytree(ROOT / source, tmp_path / target)
            else:
                shutil.copy(ROOT / source, tmp_path / target)
    (build,) = (words for words in of("RUN") if "hatchling build" in words)
    options = re.search(r"hatchling build ([^&]*)", build)
    assert options is not None
    command = [sys.executable, "-m", "hatchling", "build", *options[1].replace("/build/dist", "dist").split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "dist").glob("plangate-*.whl"))


def test_the_image_starts_the_web_and_asks_it_for_its_health() -> None:
    (start,), (health,) = of("CMD"), of("HEALTHCHECK")
    check_command(json.loads(start))
    asked = json.loads(health.partition("CMD ")[2])
    assert asked[:2] == ["python", "-c"]
    compile(asked[2], "health", "exec")
    assert "/healthz" in asked[2]
    (environment,) = of("ENV")
    names = {pair.partition("=")[0] for pair in environment.split()}
    assert {name for name in names if name.startswith("PLANGATE_")} <= set(SETTINGS)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_starts_with_a_command_that_there_is(name: str) -> None:
    check_command(SERVICES[name]["command"])


def test_every_queue_has_a_worker() -> None:
    queues: set[str] = set()
    for name in ("worker", "reporter"):
        words = SERVICES[name]["command"]
        queues |= set(words[words.index("--queues") + 1].split(",")) if "--queues" in words else set(QUEUES)
    assert queues == set(QUEUES)


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_gets_its_secrets_from_files_and_is_closed_in(name: str) -> None:
    service = SERVICES[name]
    for setting, value in service["environment"].items():
        if setting.endswith("_FILE"):
            assert SETTINGS[setting.removesuffix("_FILE")].secret
            assert value.removeprefix("/run/secrets/") in service["secrets"]
        else:
            assert not SETTINGS[setting].secret, f"{setting} belongs into a file"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    loosened = [option for option in service["security_opt"] if "unconfined" in option]
    assert bool(loosened) == (name == "worker"), "only what runs code of changes needs namespaces"


def test_the_parts_of_compose_fit_together() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"], volume
        assert "healthcheck" in service or name == "web", "the web's is the image's"
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) == {each for each in used if not each.startswith("./")}


def test_database_and_redis_have_passwords_and_no_way_in_from_outside() -> None:
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]
        assert any("password" in secret for secret in SERVICES[name]["secrets"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert "requirepass" in SERVICES["valkey"]["command"][-1]
    assert "--requirepass" not in SERVICES["valkey"]["command"][-1], "every process could read it there"
    for port in SERVICES["web"]["ports"]:
        assert port.startswith("127.0.0.1:"), "TLS belongs in front"
