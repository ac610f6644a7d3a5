"""The bill of materials names what is installed."""

from __future__ import annotations

import json
from importlib import metadata

from click.testing import CliRunner

from bot.cli.server.sbom import sbom


def test_the_bill_names_every_package_once_with_its_version_and_no_tool_of_developers() -> None:
    found = json.loads(CliRunner().invoke(sbom).output)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["version"] == metadata.version("plangate")
    versions = {each["name"]: each["version"] for each in found["components"]}
    assert len(versions) == len(found["components"])
    assert {"flask", "werkzeug", "sqlalchemy", "prometheus-client"} <= set(versions)
    assert versions["flask"] == metadata.version("flask")
    assert not {"pytest", "mypy", "ruff"} & set(versions)


def test_every_dependency_is_a_part_of_the_bill() -> None:
    found = json.loads(CliRunner().invoke(sbom).output)
    refs = {each["bom-ref"] for each in (*found["components"], found["metadata"]["component"])}
    assert {each["ref"] for each in found["dependencies"]} == refs
    assert all(set(each["dependsOn"]) <= refs for each in found["dependencies"])
    flask = next(each for each in found["dependencies"] if each["ref"].startswith("pkg:pypi/flask@"))
    assert any(each.startswith("pkg:pypi/werkzeug@") for each in flask["dependsOn"])
