"""Results of checks in the form of `show -json` (`internal/command/jsonchecks`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.terraform.saved_plan.addresses import parse_address, split_module
from bot.terraform.saved_plan.faults import UnreadablePlan
from bot.terraform.saved_plan.model import CheckedObject, CheckResult

_PREFIXES = {"output_value": "output.", "check": "check.", "var": "var."}


def checks_as_json(results: Iterable[CheckResult]) -> list[dict[str, Any]]:
    """Return what JSON says of the checks. Raises UnreadablePlan for an address that is not one."""
    return [_static(result) for result in results]


def _static(result: CheckResult) -> dict[str, Any]:
    found: dict[str, Any] = {"address": _address(result), "status": result.status}
    if result.objects:
        objects = sorted(result.objects, key=lambda item: item.address.encode())
        found["instances"] = [_dynamic(result.kind, item) for item in objects]
    return found


def _address(result: CheckResult) -> dict[str, Any]:
    found: dict[str, Any] = {"to_display": result.address, "kind": result.kind}
    if result.kind == "resource":
        place = parse_address(result.address)
        found |= {"mode": place.mode, "type": place.type, "name": place.name}
        module = place.module
    else:
        module, rest = split_module(result.address)
        prefix = _PREFIXES[result.kind]
        if not rest.startswith(prefix):
            raise UnreadablePlan(f"{result.address[:200]!r} is not the address of a {result.kind}")
        found["name"] = rest.removeprefix(prefix)
    if module:
        found["module"] = module
    return found


def _dynamic(kind: str, item: CheckedObject) -> dict[str, Any]:
    address: dict[str, Any] = {"to_display": item.address}
    if kind == "resource":
        place = parse_address(item.address)
        module = place.module
        if place.index is not None:
            address["instance_key"] = place.index
    else:
        module, _ = split_module(item.address)
    if module:
        address["module"] = module
    found: dict[str, Any] = {"address": address, "status": item.status}
    if item.problems:
        problems = sorted(item.problems, key=str.encode)
        found["problems"] = [{"message": problem} for problem in problems]
    return found
