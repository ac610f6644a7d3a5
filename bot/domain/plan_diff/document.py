"""A plan's text, rendered from `terraform show -json`: Terraform's layout, and no line that a change wrote.

Everything that is printed comes from the JSON, and each text in it is escaped. So no value, key, address or
message can end a line, begin a resource of its own, or hide a part of itself (promise 5).

Format: https://developer.hashicorp.com/terraform/internals/json-format (format_version 1.x).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plan_diff import checks, headers, lines, summary
from bot.domain.plan_diff.headers import HeaderWords, actions_of, text_of
from bot.domain.plan_diff.lines import Line
from bot.domain.plan_diff.marked import MISSING, Hide, marked
from bot.domain.plan_diff.sequences import Budget
from bot.domain.plan_diff.texts import TextLimits, TextWriter
from bot.domain.plan_diff.tree import CREATE, SAME, UPDATE, Comparing, Form, Node, Path
from bot.domain.plan_diff.values import Writer
from bot.domain.plan_diff.write_only import WriteOnly

_SIGNS = {
    ("create",): "+",
    ("delete",): "-",
    ("update",): "~",
    ("delete", "create"): "-/+",
    ("create", "delete"): "+/-",
    ("create", "forget"): "+/.",
    ("read",): "<=",
    ("forget",): ".",
}
_WRITE_ONLY = "(write-only attribute)"
_PARTIAL = "Note: This is a partial plan, parts can only be known in the next plan / apply cycle."


class Kind(StrEnum):
    """What a part of the text is about."""

    DRIFT = "drift"
    DEFERRED = "deferred"
    CHANGES = "changes"
    ACTIONS = "actions"
    OUTPUTS = "outputs"
    CHECKS = "checks"


@dataclass(frozen=True)
class PlanEntry:
    """One object's lines. `address` is the raw address, output's name or check's name."""

    address: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class PlanPart:
    """A part of the text: its title, and an entry for each object in it."""

    kind: Kind
    title: str
    entries: tuple[PlanEntry, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of all entries, with an empty one between those of many lines."""
        apart = self.kind is not Kind.OUTPUTS
        found: list[Line] = []
        for entry in self.entries:
            if found and apart:
                found.append(Line(0, "", ""))
            found += entry.lines
        return tuple(found)


@dataclass(frozen=True)
class PlanText:
    """A plan's text. `summary` is Terraform's line of counts, or says that nothing changes."""

    parts: tuple[PlanPart, ...]
    summary: str

    def part(self, kind: Kind) -> PlanPart | None:
        """Return one part, None if the plan has none."""
        return next((each for each in self.parts if each.kind is kind), None)

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines in Terraform's order: the counts stand after the changes."""
        found: list[Line] = []
        summary = [Line(0, "", self.summary)] if self.summary else []
        for part in self.parts:
            if part.kind in _AFTER_COUNTS and summary:
                found += [*_apart(found), *summary]
                summary = []
            found += [*_apart(found), Line(0, "", part.title)]
            found += [] if part.kind is Kind.OUTPUTS else [Line(0, "", "")]
            found += part.lines
        return (*found, *(_apart(found) if summary else ()), *summary)

    def diff(self) -> str:
        """Return the text for a block of a diff, in which forges colour what changes."""
        return lines.diff(self.lines)

    def plain(self) -> str:
        """Return the text in Terraform's layout."""
        return lines.plain(self.lines)


_AFTER_COUNTS = frozenset({Kind.ACTIONS, Kind.OUTPUTS, Kind.CHECKS})


def render(
    document: Mapping[str, Any],
    *,
    program: str = "Terraform",
    limits: TextLimits | None = None,
    hide: Hide | None = None,
) -> PlanText:
    """Render a decoded plan JSON. `hide` replaces secrets in every text, before anything is cut or compared.

    Raises nothing for odd content: what the format does not allow is shown as it is, or left out.
    """
    return _Renderer(document, HeaderWords(program, hide), limits or TextLimits(), hide).text()


class _Renderer:
    def __init__(
        self, document: Mapping[str, Any], words: HeaderWords, limits: TextLimits, hide: Hide | None
    ) -> None:
        self._document = document
        self._words = words
        self._hide = hide
        self._budget = Budget()
        self._writer = Writer(limits, self._budget, hide)
        self._texts = TextWriter(limits, self._budget)
        self._write_only = WriteOnly(document)
        self._triggered: dict[str, list[Mapping[str, Any]]] = {}
        self._invoked: list[Mapping[str, Any]] = []
        for invocation in items(document, "action_invocations"):
            trigger = invocation.get("lifecycle_action_trigger")
            if isinstance(trigger, dict):
                address = text_of(trigger, "triggering_resource_address")
                self._triggered.setdefault(address, []).append(invocation)
            else:
                self._invoked.append(invocation)

    def text(self) -> PlanText:
        program = self._words.program
        errored = self._document.get("errored") is True
        does = (
            f"{program} planned the following actions, but then encountered a problem:"
            if errored
            else f"{program} will perform the following actions:"
        )
        found = (
            PlanPart(Kind.DRIFT, f"Note: Objects have changed outside of {program}", tuple(self._drift())),
            PlanPart(Kind.DEFERRED, _PARTIAL, tuple(self._deferred())),
            PlanPart(Kind.CHANGES, does, tuple(self._changes())),
            PlanPart(Kind.ACTIONS, f"{program} will invoke the following action(s):", tuple(self._actions())),
            PlanPart(Kind.OUTPUTS, "Changes to Outputs:", tuple(self._outputs())),
            PlanPart(Kind.CHECKS, "Checks that have not passed:", tuple(self._checks())),
        )
        parts = tuple(part for part in found if part.entries)
        says = any(part.kind is not Kind.CHECKS for part in parts)
        return PlanText(parts, summary.counts(self._document, says))

    def _drift(self) -> Iterator[PlanEntry]:
        for item in items(self._document, "resource_drift"):
            if actions_of(item) != ("no-op",) or headers.moved(item):
                above = headers.comments(item, self._words, drift=True)
                yield PlanEntry(text_of(item, "address"), tuple(self._resource(item, above)))

    def _deferred(self) -> Iterator[PlanEntry]:
        for each in items(self._document, "deferred_changes"):
            item = each.get("resource_change")
            if isinstance(item, dict):
                above = headers.deferred(item, text_of(each, "reason"), self._words)
                yield PlanEntry(text_of(item, "address"), tuple(self._resource(item, above)))

    def _changes(self) -> Iterator[PlanEntry]:
        shown = set()
        for item in items(self._document, "resource_changes"):
            if not summary.is_shown(item):
                continue
            address = text_of(item, "address")
            found = self._resource(item, headers.comments(item, self._words))
            if address not in shown:
                found += self._invocations_of(address)
            shown.add(address)
            yield PlanEntry(address, tuple(found))
        # What no change above triggers must not be lost.
        for address in self._triggered.keys() - shown:
            self._invoked += self._triggered[address]

    def _resource(self, item: Mapping[str, Any], above: list[str]) -> list[Line]:
        change = item.get("change") or {}
        actions = actions_of(item)
        sign = _SIGNS.get(actions, "")
        mode = "data" if item.get("mode") == "data" else "resource"
        kind, named = map(self._words.literal, headers.type_and_name(item))
        node = self._node(change)
        found = [Line(2, "", comment) for comment in above]
        found.append(Line(4, sign, f"{mode} {kind} {named} {{"))
        full = bool(change.get("importing")) and actions == ("no-op",)
        if node.form is Form.OBJECT:
            found += self._writer.attributes(node, 8, full=full, quiet=sign == ".")
        elif node.sign or node.old is not MISSING:
            found += self._writer.attribute("value", node, 8)
        if "delete" not in actions:
            kind_sign = CREATE if actions == ("create",) else SAME
            for name in self._write_only.attributes(item):
                found.append(Line(8, kind_sign, f"{self._writer.title(name)} = {_WRITE_ONLY}"))
        found.append(Line(4, "", "}"))
        if generated := change.get("generated_config"):
            found.append(Line(4, "", "# Generated configuration:"))
            config = str(generated)
            found += self._texts.said(self._hide(config) if self._hide else config, 8)
        return found

    def _node(self, change: Mapping[str, Any]) -> Node:
        before = marked(change.get("before"), change.get("before_sensitive"), None, self._hide)
        marks = change.get("after_sensitive"), change.get("after_unknown")
        after = marked(change.get("after"), *marks, self._hide)
        actions = tuple(change.get("actions") or ())
        if actions in {("create",), ("read",)} and before is None:
            before = MISSING
        elif actions == ("forget",):
            after = before
        elif after is None:
            after = MISSING
        comparing = Comparing(self._budget, _forcing(change.get("replace_paths")))
        return comparing.node(MISSING if before is None else before, after)

    def _outputs(self) -> Iterator[PlanEntry]:
        changes = self._document.get("output_changes")
        if not isinstance(changes, dict):
            return
        found = {}
        for name, change in sorted(changes.items()):
            if isinstance(change, dict) and tuple(change.get("actions") or ()) not in {(), ("no-op",)}:
                found[name] = self._node(change)
        width = min(max((len(self._writer.title(name)) for name in found), default=0), 40)
        for name, node in found.items():
            if not node.sign:
                node.sign = _SIGNS.get(tuple(changes[name]["actions"]), UPDATE)
            yield PlanEntry(
                name, tuple(self._writer.attribute(self._writer.title(name), node, 4, width=width))
            )

    def _invocations_of(self, address: str) -> list[Line]:
        found: list[Line] = []
        for when in ("Before", "After"):
            triggered = self._triggered.get(address, ())
            chosen = [each for each in triggered if _is_before(each) == (when == "Before")]
            if chosen:
                title = f"# Actions to be invoked {when.lower()} this change in order:"
                found += [Line(0, "", ""), Line(4, "", title)]
                for each in chosen:
                    found += self._invocation(each, f"# {self._words.address(each)}", 4)
        return found

    def _actions(self) -> Iterator[PlanEntry]:
        for each in self._invoked:
            header = f"# {self._words.address(each)} will be invoked"
            trigger = each.get("invoke_action_trigger") or each.get("lifecycle_action_trigger") or {}
            for key in ("calling_resource_address", "triggering_resource_address"):
                if text_of(trigger, key):
                    header += f" (called from {self._words.address(trigger, key)})"
            yield PlanEntry(text_of(each, "address"), tuple(self._invocation(each, header, 2)))
        for each in items(self._document, "deferred_action_invocations"):
            inner = each.get("action_invocation")
            if isinstance(inner, dict):
                comments = headers.deferred(inner, text_of(each, "reason"), self._words)
                found = [Line(2, "", comments[1]), *self._invocation(inner, comments[0], 2)[1:]]
                yield PlanEntry(text_of(inner, "address"), (Line(2, "", comments[0]), *found))

    def _invocation(self, item: Mapping[str, Any], header: str, indent: int) -> list[Line]:
        found = [Line(indent, "", header)]
        kind = self._words.literal(text_of(item, "type"))
        found.append(Line(4, "", f"action {kind} {self._words.literal(text_of(item, 'name'))} {{"))
        values = marked(
            item.get("config_values"), item.get("config_sensitive"), item.get("config_unknown"), self._hide
        )
        if isinstance(values, dict) and values:
            node = Comparing(self._budget).node(values, values)
            found += [
                Line(8, "", "config {"),
                *self._writer.attributes(node, 12, full=True),
                Line(8, "", "}"),
            ]
        found.append(Line(4, "", "}"))
        return found

    def _checks(self) -> Iterator[PlanEntry]:
        for name, header, problems in checks.not_passed(self._document, self._words):
            found = [Line(2, "", header)]
            for problem in problems:
                found += self._texts.said(self._hide(problem) if self._hide else problem, 6)
            yield PlanEntry(name, tuple(found))


def items(document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """Give the objects in a list of a plan's JSON."""
    found = document.get(key)
    yield from (each for each in found or () if isinstance(each, dict)) if isinstance(found, list) else ()


def _forcing(paths: Any) -> list[Path]:
    """Return the paths that make a change a replacement."""
    found = [path for path in paths if isinstance(path, list)] if isinstance(paths, list) else []
    return [tuple(path) for path in found if all(isinstance(step, str | int) for step in path)]


def _is_before(invocation: Mapping[str, Any]) -> bool:
    return text_of(invocation["lifecycle_action_trigger"], "action_trigger_event").startswith("Before")


def _apart(found: list[Line]) -> list[Line]:
    return [Line(0, "", "")] if found else []
