"""The resources of plans in a comment: what is destroyed or replaced comes first and is cut last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.domain.plans.plan import ResourceChange
from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, code, plain
from bot.rendering.section_states import SectionState, section_state

MOST_RESOURCES = 25
_ADDRESS = 160

# States in which the plan is not applied yet, so that a warning is useful.
_AHEAD = (
    SectionState.READY,
    SectionState.UNAPPROVED,
    SectionState.CHANGES,
    SectionState.POLICY,
    SectionState.APPLYING,
)

_GROUPS: tuple[tuple[str, bool, Callable[[ResourceChange], bool]], ...] = (
    ("To destroy", True, lambda r: r.actions == ("delete",)),
    ("To replace", True, lambda r: "delete" in r.actions and "create" in r.actions),
    ("To add", False, lambda r: r.actions == ("create",)),
    ("To change", False, lambda r: r.actions == ("update",)),
    ("To forget, without destroying it", False, lambda r: "forget" in r.actions),
    ("To import or move", False, lambda _: True),
)


@dataclass(frozen=True)
class Group:
    """The resources that meet one fate, and how many of them are not shown. `gone`: it ends them."""

    title: Markdown
    resources: tuple[Markdown, ...]
    more: int
    gone: bool = False


def resource_groups(resources: tuple[ResourceChange, ...]) -> tuple[Group, ...]:
    """Return the resources of a plan by what happens to them."""
    groups, rest = [], list(resources)
    for title, gone, belongs in _GROUPS:
        found = [resource for resource in rest if belongs(resource)]
        rest = [resource for resource in rest if not belongs(resource)]
        if found:
            shown = tuple(map(_resource, found if gone else found[:MOST_RESOURCES]))
            groups.append(Group(Markdown(title), shown, len(found) - len(shown), gone))
    return tuple(groups)


def shortened(group: Group, most: int) -> Group:
    """Return a group with at most so many resources."""
    shown = group.resources[:most]
    return replace(group, resources=shown, more=group.more + len(group.resources) - len(shown))


def gone_of(section: WorkspaceSection) -> tuple[ResourceChange, ...]:
    """Return the resources that a plan would destroy or replace, if it is not applied yet."""
    if section_state(section) not in _AHEAD:
        return ()
    return tuple(resource for resource in section.resources if "delete" in resource.actions)


def gone_resource(resource: ResourceChange) -> Markdown:
    """Name a resource to destroy or replace."""
    note = " (replaced)" if "create" in resource.actions else ""
    return Markdown(f"{code(resource.address, _ADDRESS)}{note}")


def warning_words(
    sections: Sequence[WorkspaceSection], gone: Sequence[Sequence[ResourceChange]], most: int
) -> Markdown:
    """Count the objects that would be destroyed, and name the first few: nobody reads a long warning."""
    pairs = [(section, each) for section, found in zip(sections, gone, strict=True) for each in found]
    replaced = sum("create" in each.actions for _, each in pairs)
    numbers = ((len(pairs) - replaced, "destroy"), (replaced, "replace"))
    parts = [f"{number} to {verb}" for number, verb in numbers if number]
    if not parts:
        return Markdown("")
    named = []
    for section, each in pairs[:most]:
        where = f" in {plain(section.workspace.name)}" if len(sections) > 1 else ""
        named.append(f"{gone_resource(each)}{where}")
    more = len(pairs) - len(named)
    names = ", ".join(named) + (f" and {more} more" if more and named else "")
    return Markdown(f"**{' and '.join(parts)}**" + (f": {names}" if names else ""))


def _resource(resource: ResourceChange) -> Markdown:
    moved = f" from {code(resource.previous_address, _ADDRESS)}" if resource.previous_address else ""
    imported = " (imported)" if resource.importing else ""
    return Markdown(f"{code(resource.address, _ADDRESS) or plain('(no address)')}{moved}{imported}")
