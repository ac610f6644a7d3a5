"""`plangate sbom`: which packages run here, as a bill of materials in CycloneDX's JSON format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

import click

# Source: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)""")


@click.command()
def sbom() -> None:
    """Print the installed packages as a CycloneDX bill of materials."""
    click.echo(json.dumps(bill(), indent=2))


def bill() -> Mapping[str, object]:
    """Return the bill of materials: Plangate, and each installed package that it needs.

    Source: https://cyclonedx.org/docs/1.5/json/
    """
    needed = _needed("plangate")
    components = [_component(name, "library") for name in sorted(needed) if name != "plangate"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component("plangate", "application")},
        "components": components,
        "dependencies": [
            {"ref": _purl(name), "dependsOn": sorted(_purl(each) for each in needed[name])}
            for name in sorted(needed)
        ],
    }


def _needed(root: str) -> Mapping[str, set[str]]:
    """Return the installed packages that are needed, each with those that it needs itself."""
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    # Tools for developing Plangate are not a part of it.
    extras = {each for each in metadata.metadata(root).get_all("Provides-Extra") or () if each != "dev"}
    left = [(root, extra) for extra in ("", *extras)]
    while left:
        name, extra = left.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for other, wanted in _requirements(name, extra):
            found.setdefault(name, set()).add(other)
            left += [(other, each) for each in ("", *wanted)]
        found.setdefault(name, set())
    return found


def _requirements(name: str, extra: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield what a package asks for with an extra (empty: always), if it is installed, with its extras."""
    for line in metadata.requires(name) or ():
        named, only_with = _REQUIREMENT.match(line), _EXTRA.search(line)
        if named is None or (only_with[1] if only_with else "") != extra:
            continue
        other = _normal(named[1])
        if _is_installed(other):
            yield other, [each.strip() for each in (named[2] or "").split(",") if each.strip()]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _component(name: str, kind: str) -> Mapping[str, object]:
    about = metadata.metadata(name)
    named = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    licence = [{"license": {"name": named.splitlines()[0][:200]}}] if named else []
    found = {"type": kind, "bom-ref": _purl(name), "name": name, "version": metadata.version(name)}
    return {**found, "purl": _purl(name), **({"licenses": licence} if licence else {})}


def _purl(name: str) -> str:
    """Return a package's address. Source: https://github.com/package-url/purl-spec"""
    return f"pkg:pypi/{name}@{metadata.version(name)}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
