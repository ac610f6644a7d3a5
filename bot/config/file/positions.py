"""The line of each option in plangate.yml, for the page of a workspace's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.config.file.manifest import Manifest, Options
from bot.config.file.marked_yaml import Document, Loc
from bot.config.file.workspaces import read_rules
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import Workspace

Places = Mapping[str, str]
"""An option's name to `plangate.yml:12`; what is written nowhere is not among them."""

Keys = dict[Loc, dict[str, tuple[int, int]]]
"""Where the keys of each mapping of the file stand, by the mapping."""

ENTRY = ""
"""Under which Places have the entry itself: the workspace's, or the rule's that found it."""


@dataclass(frozen=True)
class OptionPositions:
    """The places of all options: of workspaces by name, and of rules in their order."""

    named: Mapping[str, Places] = field(default_factory=dict)
    rules: Sequence[tuple[DiscoverRule, Places]] = ()

    def of(self, workspace: Workspace) -> Places:
        """Return the places of a workspace's options; empty if the file does not speak of it any more."""
        if not workspace.discovered:
            return self.named.get(workspace.name, {})
        where = workspace.working_directory
        for rule, places in self.rules:
            if rule.repo == workspace.repo and rule.matches(where) and rule.name_of(where) == workspace.name:
                return places
        return {}


def read_written(manifest: Manifest, document: Document) -> OptionPositions:
    """Return the positions of all options."""
    keys = _keys(document)
    named = {
        entry.name: dict(_places(document, keys, ("workspaces", index)))
        for index, entry in enumerate(manifest.workspaces or ())
    }
    found = [
        (rule, dict(_places(document, keys, ("discover", index))))
        for index, rule in enumerate(read_rules(manifest))
    ]
    return OptionPositions(named, found)


def _places(document: Document, keys: Keys, entry: Loc) -> Iterator[tuple[str, str]]:
    yield ENTRY, _at(document, document.place(entry))
    own, defaults = keys.get(entry, {}), keys.get(("defaults",), {})
    if own.keys() & {"trigger_prefixes", "trigger_patterns"}:
        # As where the options are filled in: the two exclude each other.
        defaults = {name: at for name, at in defaults.items() if "trigger_p" not in name}
    for name, at in defaults.items():
        if name in Options.model_fields and name not in own:
            yield name, f"{_at(document, at)}, under defaults"
    for name, at in own.items():
        both = name == "require" and name in defaults
        also = f"{_at(document, defaults[name])}, under defaults; " if both else ""
        yield name, f"{also}{_at(document, at)}"


def _keys(document: Document) -> Keys:
    """Return the lines of each mapping's keys, by the mapping."""
    found: Keys = {}
    for loc, place in document.keys.items():
        found.setdefault(loc[:-1], {})[str(loc[-1])] = place
    return found


def _at(document: Document, place: tuple[int, int]) -> str:
    return f"{document.name}:{place[0]}"
