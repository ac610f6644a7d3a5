"""The chart: its values are all used and all there; Helm renders it, if Helm is here."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
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

CHART = ROOT / "deploy/helm/plangate"
TEMPLATES = sorted((CHART / "templates").glob("*.*"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
HELM = shutil.which("helm")
# With everything that can be turned on.
WORKERS = [
    {**worker, "autoscaling": {**worker["autoscaling"], "enabled": True}} for worker in VALUES["workers"]
]
FULL = {
    "workers": [*WORKERS[:1], *VALUES["workers"][1:]],
    "ingress": {"enabled": True, "tlsSecret": "tls"},
    "networkPolicy": {"from": [{"podSelector": {}}]},
    "settings": {"PLANGATE_OWNERS": "ana,ben"},
}


def text(path: Path) -> str:
    return re.sub(r"{{-?\s*/\*.*?\*/\s*-?}}", "", path.read_text(), flags=re.DOTALL)


def actions(path: Path) -> list[str]:
    return [each.strip() for each in re.findall(r"{{-?\s*(.*?)\s*-?}}", text(path), re.DOTALL)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_blocks_of_a_template_begin_and_end(path: Path) -> None:
    assert text(path).count("{{") == text(path).count("}}")
    words = Counter(action.split()[0] for action in actions(path))
    assert sum(words[each] for each in ("if", "with", "range", "define")) == words["end"]


def test_every_value_that_a_template_reads_is_there() -> None:
    for path in TEMPLATES:
        for name in re.findall(r"\.Values\.([A-Za-z.]+)", text(path)):
            found: Any = VALUES
            for part in name.split("."):
                assert isinstance(found, dict), name
                assert part in found, f"{path.name} reads {name}"
                found = found[part]


def test_every_value_is_read_by_a_template() -> None:
    everything = "\n".join(map(text, TEMPLATES))
    for name, value in VALUES.items():
        inner = value if isinstance(value, dict) and value and name not in ("settings",) else {}
        for part in inner:
            assert f".Values.{name}.{part}" in everything, f"nothing reads {name}.{part}"
        if not inner:
            assert f".Values.{name}" in everything, f"nothing reads {name}"
    keys = {key for worker in VALUES["workers"] for key in worker}
    workers = text(CHART / "templates/workers.yaml")
    assert [key for key in keys if not re.search(rf"\.{key}\b", workers)] == []


def test_every_piece_that_is_included_is_defined() -> None:
    everything = "\n".join(map(text, TEMPLATES))
    defined = set(re.findall(r'define "([\w.]+)"', everything))
    assert set(re.findall(r'include "([\w.]+)"', everything)) == defined


def test_no_secret_is_written_in_the_values() -> None:
    secrets = {setting.name for setting in table(KINDS) if setting.secret}
    everything = (CHART / "values.yaml").read_text()
    assert not any(re.search(rf"(?m)^[^#]*{name}:", everything) for name in secrets)
    assert "secretRef" in text(CHART / "templates/_helpers.tpl")


def test_the_workers_take_every_queue() -> None:
    assert {queue for worker in VALUES["workers"] for queue in worker["queues"].split(",")} == set(QUEUES)


def test_versions_are_those_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = re.search(r'(?m)^version = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert project is not None
    assert chart["version"] == chart["appVersion"] == project[1]


@pytest.mark.skipif(HELM is None, reason="Helm is not here")
@pytest.mark.parametrize("values", [{}, FULL], ids=["as it is", "with everything"])
def test_helm_renders_objects_whose_parts_fit_together(values: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    where = ["--kube-version", "1.33.0", "--values", str(tmp_path / "values.yaml")]
    command = [str(HELM), "template", "plangate", str(CHART), *where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    objects = [each for each in yaml.safe_load_all(done.stdout) if each]
    kinds = Counter(each["kind"] for each in objects)
    assert kinds["Deployment"] == 3
    assert kinds["NetworkPolicy"] == 2
    assert kinds["Ingress"] == kinds["ScaledObject"] == bool(values)
    for each in objects:
        if each["kind"] in ("Deployment", "Job"):
            _check_pod(each["spec"]["template"])
        if each["kind"] == "Deployment":
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()


def _check_pod(template: dict[str, Any]) -> None:
    pod = template["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    _, name, *words = container["args"]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, words)


@pytest.mark.skipif(HELM is None, reason="Helm is not here")
def test_helm_lints_the_chart() -> None:
    done = subprocess.run(
        [str(HELM), "lint", "--strict", "--kube-version", "1.33.0", str(CHART)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
