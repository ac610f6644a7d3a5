"""Finds rules that depend on themselves, which OPA refuses before it evaluates anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .modules import Module, used


def recursive(modules: Sequence[Module], own: Mapping[str, set[str]]) -> Iterator[tuple[Module, str]]:
    """Yield each rule that is on a cycle, with its module."""
    reads: dict[str, set[tuple[str, ...]]] = {}
    where: dict[str, Module] = {}
    for module in modules:
        for rule in module.rules:
            name = f"data.{module.package}.{rule.name}"
            where.setdefault(name, module)
            paths = {tuple(path) for path in used(module, rule, own[module.package]) if path[0] == "data"}
            reads.setdefault(name, set()).update(paths)
    edges = {name: _targets(paths, reads) for name, paths in reads.items()}
    for name in _on_cycles(edges):
        yield where[name], name


def _targets(paths: set[tuple[str, ...]], rules: Mapping[str, object]) -> set[str]:
    found = set()
    for rule in rules:
        parts = tuple(rule.split("."))
        if any(parts[: len(path)] == path or path[: len(parts)] == parts for path in paths):
            found.add(rule)
    return found


def _on_cycles(edges: Mapping[str, set[str]]) -> list[str]:
    """Return the rules that reach themselves."""
    left = {name: set(targets) for name, targets in edges.items()}
    while ended := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ended:
            del left[name]
    return [name for name in left if _reaches(name, left)]


def _reaches(name: str, edges: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    ahead = list(edges[name] & edges.keys())
    while ahead:
        at = ahead.pop()
        if at == name:
            return True
        if at not in seen:
            seen.add(at)
            ahead.extend(edges[at] & edges.keys())
    return False
