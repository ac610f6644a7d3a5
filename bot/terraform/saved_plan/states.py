"""Compares the states in a plan's JSON with the saved plan: the one it was made on, and the planned one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from bot.terraform.saved_plan.addresses import Address, parse_address
from bot.terraform.saved_plan.checks import checks_as_json
from bot.terraform.saved_plan.faults import UnreadablePlan
from bot.terraform.saved_plan.forms import ABSENT, Findings, Marks, canonical, known, wholly_known
from bot.terraform.saved_plan.model import Action, CheckedObject, CheckResult, Path, SavedPlan
from bot.terraform.saved_plan.values import Value, is_type

_MOST_NESTED = 200
# How often a value is read in a second way before the comparison gives up.
_MOST_RETRIES = 10_000
FORMAT_VERSION = re.compile(r"1\.[0-9]{1,4}\Z")
_RESOURCE = {
    *("address", "mode", "type", "name", "index", "provider_name", "schema_version", "values"),
    *("sensitive_values", "depends_on", "tainted", "deposed_key", "identity", "identity_schema_version"),
}


def compare_planned_values(saved: SavedPlan, shown: Any, findings: Findings) -> None:
    """Compare `planned_values` with the values after each change."""
    where = "planned_values"
    if shown is ABSENT:
        findings.add(where, {}, ABSENT)
    told = _resources(where, shown, findings)
    for change in saved.resource_changes:
        # An object that is forgotten stays, for Terraform, without values.
        if change.change.action == Action.DELETE or change.deposed_key:
            continue
        item = told.pop((change.address, ""), None)
        if item is None:
            if change.place.mode != "ephemeral":
                findings.add(f"{where}: {change.address}", change.change.action.words, ABSENT)
            continue
        name = f"{where}: {change.address}"
        findings.only(name, item, _RESOURCE - {"depends_on", "tainted", "deposed_key"})
        _identified(findings, name, change.place, change.provider_name, item)
        after = change.change.after.value
        findings.same(f"{name} values", known(after) or ABSENT, item.get("values", ABSENT))
        if "identity" in item:
            findings.same(f"{name} identity", known(change.change.after_identity), item["identity"])
        marks, mask = Marks(change.change.after_sensitive), item.get("sensitive_values", ABSENT)
        _mask(findings, f"{name} sensitive_values", after, marks, mask, change.place.type)
    _left(findings, where, told)
    expected: dict[str, dict[str, Any]] = {}
    for output in saved.output_changes:
        if output.change.action == Action.DELETE:
            continue
        after = output.change.after.value
        expected[output.name] = {"sensitive": output.sensitive}
        if wholly_known(after):
            expected[output.name] |= {"value": known(after), "type": output.change.after.type or "dynamic"}
    findings.same(f"{where} outputs", expected, _outputs(shown, findings, where))


def compare_prior_state(saved: SavedPlan, shown: Any, findings: Findings) -> None:
    """Compare `prior_state` with the state in the plan."""
    where = "prior_state"
    values = ABSENT
    if isinstance(shown, dict):
        findings.only(where, shown, {"format_version", "terraform_version", "values", "checks"})
        _compare_state_facts(where, saved.prior_state.document, shown, findings)
        values = shown.get("values", ABSENT)
    elif shown is not ABSENT:
        findings.add(where, {}, shown)
    told = _resources(where, values, findings)
    document = saved.prior_state.document
    try:
        for instance in _instances(document):
            address, resource, state = instance
            item = told.pop((address, str(state.get("deposed", ""))), None)
            name = f"{where}: {address}"
            if item is None:
                findings.add(name, "in the state", ABSENT)
            else:
                _compare_instance(findings, name, address, resource, state, item)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UnreadablePlan("the state in the saved plan is not a state") from None
    _left(findings, where, told)
    outputs = document.get("outputs") or {}
    expected: dict[str, dict[str, Any]] = {}
    for key, output in outputs.items() if isinstance(outputs, dict) else ():
        if not isinstance(output, dict):
            raise UnreadablePlan("the state in the saved plan is not a state")
        expected[key] = {
            "sensitive": bool(output.get("sensitive", False)),
            "value": output.get("value"),
            "type": output.get("type"),
        }
    findings.same(f"{where} outputs", expected, _outputs(values, findings, where))


def _compare_state_facts(
    where: str, document: Mapping[str, Any], shown: Mapping[str, Any], findings: Findings
) -> None:
    version = shown.get("format_version")
    if not isinstance(version, str) or not FORMAT_VERSION.match(version):
        findings.add(f"{where} format_version", "1.*", version)
    saved = document.get("terraform_version", ABSENT)
    findings.same(f"{where} terraform_version", saved, shown.get("terraform_version", ABSENT))
    results = []
    try:
        for raw in document.get("check_results") or []:
            objects = [
                CheckedObject(item["object_addr"], item["status"], tuple(item.get("failure_messages") or ()))
                for item in raw.get("objects") or []
            ]
            results.append(CheckResult(raw["object_kind"], raw["config_addr"], raw["status"], tuple(objects)))
        checks = checks_as_json(results)
    except (KeyError, TypeError, AttributeError):
        raise UnreadablePlan("the state in the saved plan is not a state") from None
    findings.same_in_any_order(f"{where} checks", checks, findings.list_in(shown, "checks"))


def _state_paths(state: Mapping[str, Any]) -> Iterator[Path]:
    """Return the paths to what a state marks as sensitive."""
    for path in state.get("sensitive_attributes") or []:
        steps: list[Value] = []
        for step in path:
            value = step["value"]["value"] if step["type"] == "index" else step["value"]
            steps.append(int(value) if isinstance(value, Decimal) and value.adjusted() < 19 else value)
        yield tuple(steps)


def _compare_instance(
    findings: Findings,
    name: str,
    address: str,
    resource: Mapping[str, Any],
    state: Mapping[str, Any],
    item: Mapping[str, Any],
) -> None:
    findings.only(name, item, _RESOURCE)
    provider = str(resource["provider"])
    _identified(findings, name, parse_address(address), provider.partition('["')[2].partition('"]')[0], item)
    if not _StateValues().same(state["attributes"], item.get("values", {})):
        findings.add(f"{name} values", state["attributes"], item.get("values", ABSENT))
    findings.same(f"{name} schema_version", state["schema_version"], item.get("schema_version", ABSENT))
    findings.same(f"{name} depends_on", state.get("dependencies") or ABSENT, item.get("depends_on", ABSENT))
    if "identity" in item:
        findings.same(f"{name} identity", state.get("identity", ABSENT), item["identity"])
    marks, mask = Marks(_state_paths(state)), item.get("sensitive_values", ABSENT)
    _mask(findings, f"{name} sensitive_values", item.get("values"), marks, mask, resource["type"])
    tainted = True if state.get("status") == "tainted" else ABSENT
    findings.same(f"{name} tainted", tainted, item.get("tainted", ABSENT))


class _StateValues:
    """Tells whether values in a state file are what JSON says.

    A state file has the type beside a value if the schema leaves it open, may lack what is null, and keeps
    sets in the order of the program that wrote it. Such parts are read in two ways, only so many times: a
    hostile state could have endlessly many of them within each other.
    """

    def __init__(self) -> None:
        self._retries = _MOST_RETRIES

    def same(self, saved: Any, shown: Any, depth: int = 0) -> bool:
        """Compare two values."""
        if depth > _MOST_NESTED:
            return False
        if isinstance(saved, dict):
            return self._same_object(saved, shown, depth + 1)
        if not isinstance(saved, list):
            return type(saved) is type(shown) and bool(saved == shown)
        if not isinstance(shown, list) or len(saved) != len(shown):
            return False
        if all(self.same(left, right, depth + 1) for left, right in zip(saved, shown, strict=True)):
            return True
        return self._may_retry() and sorted(map(canonical, saved)) == sorted(map(canonical, shown))

    def _same_object(self, saved: Mapping[str, Any], shown: Any, depth: int) -> bool:
        if (
            isinstance(shown, dict)
            and saved.keys() <= shown.keys()
            and all(self.same(saved.get(key), value, depth) for key, value in shown.items())
        ):
            return True
        typed = saved.keys() == {"type", "value"} and self._may_retry() and is_type(saved["type"])
        return typed and self.same(saved["value"], shown, depth)

    def _may_retry(self) -> bool:
        self._retries -= 1
        return self._retries > 0


def _instances(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for resource in document.get("resources") or []:
        mode = "" if resource["mode"] == "managed" else f"{resource['mode']}."
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource["instances"]:
            key = instance.get("index_key")
            yield f"{module}{mode}{resource['type']}.{resource['name']}{_index(key)}", resource, instance


def _index(key: Any) -> str:
    if key is None:
        return ""
    if isinstance(key, Decimal):
        if key.adjusted() > 18 or key != key.to_integral_value():
            raise ValueError("an index is not a whole number")
        return f"[{int(key)}]"
    return f'["{"".join(map(_escaped, _introduced(str(key))))}"]'


def _introduced(key: str) -> str:
    return key.replace("${", "$${").replace("%{", "%%{")


def _escaped(letter: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}.get(letter)
    if short or letter.isprintable():
        return short or letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def _resources(where: str, shown: Any, findings: Findings) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the resources of a state in JSON by address and deposed key."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    if shown is ABSENT:
        return found
    if not isinstance(shown, dict):
        findings.add(where, {}, shown)
        return found
    findings.only(where, shown, {"outputs", "root_module"})
    waiting = [("", shown.get("root_module", {}))]
    while waiting:
        parent, module = waiting.pop()
        if not isinstance(module, dict) or not isinstance(module.get("resources", []), list):
            findings.add(f"{where}: a module that is none", {}, module)
            continue
        findings.only(f"{where}: {parent}", module, {"address", "resources", "child_modules"})
        address = module.get("address", "")
        for item in module.get("resources", []):
            own = item.get("address") if isinstance(item, dict) else None
            key = (own, str(item.get("deposed_key", ""))) if isinstance(own, str) else ("", "")
            if not isinstance(own, str) or key in found or _module_of(own) != address:
                findings.add(f"{where}: a resource that is none, is there twice or elsewhere", ABSENT, item)
            else:
                found[key] = item
        children = module.get("child_modules", [])
        for child in children if isinstance(children, list) else [None]:
            inner = child.get("address") if isinstance(child, dict) else None
            if isinstance(inner, str) and inner.startswith(f"{address}." if address else "module."):
                waiting.append((inner, child))
            else:
                findings.add(f"{where}: a module that is not below its parent", address, child)
    return found


def _module_of(address: str) -> str | None:
    try:
        return parse_address(address).module
    except UnreadablePlan:
        return None


def _identified(
    findings: Findings, name: str, place: Address, provider: str, item: Mapping[str, Any]
) -> None:
    expected = {"mode": place.mode, "type": place.type, "name": place.name, "provider_name": provider}
    for part, value in expected.items():
        findings.same(f"{name} {part}", value, item.get(part, ABSENT))
    findings.same(f"{name} index", ABSENT if place.index is None else place.index, item.get("index", ABSENT))
    for part in ("schema_version", "identity_schema_version"):
        if not isinstance(item.get(part, Decimal(0)), Decimal):
            findings.add(f"{name} {part}", 0, item[part])


def _mask(findings: Findings, name: str, value: Value, marks: Marks, mask: Any, resource_type: str) -> None:
    if value is None and mask in ({}, ABSENT, False):
        return
    findings.masked(name, value, marks, mask, resource_type)


def _outputs(shown: Any, findings: Findings, where: str) -> dict[str, Any]:
    found = shown.get("outputs", {}) if isinstance(shown, dict) else {}
    if not isinstance(found, dict):
        findings.add(f"{where} outputs", {}, found)
        return {}
    return found


def _left(findings: Findings, where: str, told: Mapping[tuple[str, str], Any]) -> None:
    for (address, _), item in told.items():
        findings.add(f"{where}: {address}", ABSENT, item)
