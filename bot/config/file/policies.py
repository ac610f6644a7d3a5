"""Policy sets in plangate.yml: their form, checks across values, and the domain objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry, Pattern, SetName
from bot.config.file.marked_yaml import Loc
from bot.config.problems import Problems, did_you_mean, shown
from bot.config.settings import Environment, parse_duration
from bot.domain.events import RepoRef
from bot.domain.policies.owners import Owner
from bot.domain.policies.policy import EnforcementLevel
from bot.domain.policies.sets import USUAL_NAMESPACES, PolicyLimits, PolicySet, SetOrigin
from bot.services.ports import ForgeKind

_LOGIN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?:\[bot\])?"
# A top-level group of GitLab has no slash: `acme/` distinguishes it from a person.
_TEAM = r"[A-Za-z0-9_.-]{1,100}(?:/[A-Za-z0-9_.-]{1,100}){1,20}|[A-Za-z0-9_.-]{1,100}/"
_OWNER = re.compile(rf"(?:(?P<forge>[a-z0-9][a-z0-9_-]*):)?@?(?:(?P<team>{_TEAM})|(?P<login>{_LOGIN}))")
_REPO = re.compile(r"(?:[a-z0-9][a-z0-9_-]*:)?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|[\x00-\x20~^:?*\[\\\x7f]))[^\n]{1,250}(?<![/.])")
_LEAST_TIME, _MOST_TIME = timedelta(seconds=1), timedelta(hours=1)
# In megabytes. The evaluator itself needs almost a hundred.
_LEAST_MEMORY, _MOST_MEMORY = 128, 65_536
_OPA_VERSION = re.compile(r"v?[1-9]\d*\.\d+\.\d+(?:-[0-9A-Za-z.]+)?")
_NAMESPACE = re.compile(r"\*|[A-Za-z_]\w{0,99}(?:\.[A-Za-z_]\w{0,99}){0,20}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")


def _owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is neither a login nor a team: write `olga`, or `acme/ops` for a team or group"
        )
    return text


def _tag(text: str) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid tag: letters, digits, `-`, `_`, `.` and `:`")
    return text


def _repo(text: str) -> str:
    if not _REPO.fullmatch(text) or text.endswith(".git"):
        raise ValueError(
            f"{shown(text)} is not a valid repository: write owner/name, such as `acme/policies`"
        )
    return text


def _branch(text: str) -> str:
    if not _BRANCH.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a valid branch name: write it as in `git branch`, such as main"
        )
    return text


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a package: write its name, such as `main`, or `*` for all")
    return text


def _timeout(text: str) -> str:
    if not _LEAST_TIME <= parse_duration(text) <= _MOST_TIME:
        raise ValueError(f"{shown(text)} must be from 1s to 1h")
    return text


Tag = Annotated[str, AfterValidator(_tag)]
Tags = list[Tag]
Names = list[Pattern]


class PolicySetEntry(Entry):
    """A policy set: where it is, which workspaces it judges, and who may override it."""

    name: SetName = Field(description="Letters, digits, `-` and `_`. Unique")
    folder: str | None = Field(
        default=None, description="Its folder: relative to this file, or with `repo` in that repository"
    )
    repo: Annotated[str, AfterValidator(_repo)] | None = Field(
        default=None,
        description="Repository that it is fetched from, `owner/name` or `forge:owner/name`",
    )
    branch: Annotated[str, AfterValidator(_branch)] | None = Field(
        default=None, description="Branch of that repository. If unset: its default branch"
    )
    everywhere: bool = Field(default=False, alias="global", description="`true`: for every workspace")
    workspaces: Names | None = Field(
        default=None, description="Names of workspaces, or patterns of names (`*`, `?`)"
    )
    tags: Tags | None = Field(default=None, description="For workspaces with one of these tags")
    exclude: Names | None = Field(default=None, description="Workspaces that it never judges")
    owners: list[Annotated[str, AfterValidator(_owner)]] | None = Field(
        default=None,
        description="Who may override its soft-mandatory policies: logins, teams (`acme/ops`), GitLab groups",
    )
    prevent_self_override: bool = Field(
        default=False, description="Whether the author of a change is not allowed to override"
    )
    sticky_overrides: bool = Field(
        default=False,
        description="Whether an override also covers later runs of the change with the same messages",
    )
    enforcement_level: Literal["advisory", "soft-mandatory", "hard-mandatory"] = Field(
        default="soft-mandatory",
        description="Level of `deny` and `violation` rules, as Conftest names them",
    )
    namespaces: list[Annotated[str, AfterValidator(_namespace)]] | None = Field(
        default=None,
        description="Packages of policies by Conftest's convention, `*` for all. If unset: `main`",
    )
    evaluator: Literal["any", "opa"] = Field(
        default="any", description="`opa`: only OPA may evaluate it. If there is no OPA, the run errors"
    )
    timeout: Annotated[str, AfterValidator(_timeout)] | None = Field(
        default=None,
        description="Time limit to judge one plan, such as `30s`. If unset: the server's limit",
    )
    memory: Annotated[int, Field(strict=True)] | None = Field(
        default=None, description="Memory limit in megabytes. If unset: the server's limit"
    )


@dataclass(frozen=True)
class OpaSettings:
    """Which OPA evaluates policies, and where it comes from."""

    wanted: str = ""
    folder: Path | None = None
    checksums: Path | None = None
    mirror: str = ""


@dataclass(frozen=True)
class PolicySettings:
    """The server's limits for each set, the number of plans that changes are tried on, and the OPA."""

    limits: PolicyLimits
    replayed: int
    opa: OpaSettings = OpaSettings()
    sets: tuple[PolicySet, ...] = ()


def read_policies(
    env: Environment, entries: Iterable[PolicySetEntry], forge: str, problems: Problems
) -> PolicySettings:
    """Return the server's settings and the file's sets; `forge` is meant if an entry names none."""
    time = env.duration("PLANGATE_POLICY_TIMEOUT")
    if not _LEAST_TIME <= time <= _MOST_TIME:
        problems.add("PLANGATE_POLICY_TIMEOUT", "must be from 1s to 1h")
    memory = env.number("PLANGATE_POLICY_MEMORY", least=_LEAST_MEMORY, most=_MOST_MEMORY)
    limits = PolicyLimits(int(time.total_seconds()), memory << 20)
    replayed = env.number("PLANGATE_POLICY_REPLAY", most=1000)
    opa = OpaSettings(
        wanted=_opa(env.text("PLANGATE_OPA"), problems),
        folder=env.folder("PLANGATE_OPA_DIR"),
        checksums=env.file("PLANGATE_OPA_CHECKSUMS"),
        mirror=env.mirror("PLANGATE_OPA_MIRROR"),
    )
    return PolicySettings(limits, replayed, opa, read_policy_sets(entries, forge, limits, problems))


def _opa(text: str, problems: Problems) -> str:
    if text and text != "off" and "/" not in text and not _OPA_VERSION.fullmatch(text):
        problems.add(
            "PLANGATE_OPA", f"{shown(text)} is not valid: write a version such as 1.22.3, a path, or `off`"
        )
    return text.removeprefix("v") if _OPA_VERSION.fullmatch(text) else text


def read_policy_sets(
    entries: Iterable[PolicySetEntry], forge: str, most: PolicyLimits, problems: Problems
) -> tuple[PolicySet, ...]:
    """Return the domain's policy sets; an entry that exceeds the server's limits is a problem."""
    return tuple(_set(entry, forge, _limits(entry, most, problems)) for entry in entries)


def _limits(entry: PolicySetEntry, most: PolicyLimits, problems: Problems) -> PolicyLimits:
    where = f"policy_sets: {entry.name}"
    seconds, memory = most.seconds, most.memory
    if entry.timeout is not None:
        seconds = int(parse_duration(entry.timeout).total_seconds())
        if seconds > most.seconds:
            problems.add(
                f"{where}: timeout",
                f"{entry.timeout} is more than PLANGATE_POLICY_TIMEOUT allows ({most.seconds} seconds)",
            )
    if entry.memory is not None:
        memory = entry.memory << 20
        if not _LEAST_MEMORY << 20 <= memory <= most.memory:
            problems.add(
                f"{where}: memory",
                f"{entry.memory} must be a number of megabytes from {_LEAST_MEMORY} to {most.memory >> 20}, "
                "which PLANGATE_POLICY_MEMORY allows",
            )
    return PolicyLimits(seconds, memory)


def _set(entry: PolicySetEntry, only: str, limits: PolicyLimits) -> PolicySet:
    repo = None
    if entry.repo is not None:
        forge, _, path = entry.repo.rpartition(":")
        repo = RepoRef(forge or only, path.lower())
    return PolicySet(
        name=entry.name,
        origin=SetOrigin(entry.folder or "", repo, entry.branch or ""),
        everywhere=entry.everywhere,
        workspaces=tuple(entry.workspaces or ()),
        tags=tuple(entry.tags or ()),
        exclude=tuple(entry.exclude or ()),
        owners=tuple(dict.fromkeys(_read_owner(text, only) for text in entry.owners or ())),
        prevent_self_override=entry.prevent_self_override,
        sticky_overrides=entry.sticky_overrides,
        level=EnforcementLevel(entry.enforcement_level),
        limits=limits,
        namespaces=tuple(entry.namespaces or USUAL_NAMESPACES),
        needs_opa=entry.evaluator == "opa",
    )


def _read_owner(text: str, only: str) -> Owner:
    found = _OWNER.fullmatch(text)
    assert found is not None
    forge = found["forge"] or only
    if found["team"]:
        return Owner(forge, found["team"].strip("/").lower(), is_team=True)
    return Owner(forge, found["login"])


def across_policy_sets(
    data: Mapping[str, Any], kinds: Mapping[str, ForgeKind | None]
) -> Iterator[tuple[Loc, str]]:
    """Check raw policy sets across their parts, so that it speaks even where the form is wrong.

    `kinds` are the forges of the file, each with its kind; None for one that is not known.
    """
    names: set[str] = set()
    entries = data.get("policy_sets")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield from _across(("policy_sets", index), entry, names)
            yield from _owners(("policy_sets", index, "owners"), entry.get("owners"), kinds)


def _across(loc: Loc, entry: dict[str, Any], names: set[str]) -> Iterator[tuple[Loc, str]]:
    name = entry.get("name")
    if isinstance(name, str):
        if name in names:
            yield (*loc, "name"), f"{shown(name)} is the name of a policy set above: give each its own"
        names.add(name)
    if not entry.get("folder") and not entry.get("repo"):
        yield loc, "has no place: write `folder:` (relative to this file), or `repo:` and its `folder:`"
    if entry.get("branch") and not entry.get("repo"):
        yield (*loc, "branch"), "needs a `repo:`: add one, or remove this"
    if entry.get("global") is True and (entry.get("workspaces") or entry.get("tags")):
        yield (*loc, "global"), "is every workspace, and excludes `workspaces` and `tags`: keep one of them"
    if not any(key in entry for key in ("global", "workspaces", "tags")):
        yield (
            loc,
            "judges no workspace: write `global: true`, `workspaces:` with names or patterns, or `tags:`",
        )


def _owners(loc: Loc, owners: object, kinds: Mapping[str, ForgeKind | None]) -> Iterator[tuple[Loc, str]]:
    """Check the forge of each owner: a name can belong to different people on different forges."""
    for index, text in enumerate(owners if isinstance(owners, list) else []):
        found = _OWNER.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            continue
        forge, team = found["forge"], found["team"] or ""
        bare = text.partition(":")[2] if forge else text
        if forge and forge not in kinds:
            yield (
                (*loc, index),
                f"there is no forge {shown(forge)} in this file; {did_you_mean(forge, kinds)}",
            )
            continue
        if not forge and len(kinds) > 1:
            wanted = " or ".join(f"`{name}:{bare}`" for name in list(kinds)[:3])
            yield (*loc, index), f"say on which forge that is: {wanted}"
            continue
        kind = kinds.get(forge or next(iter(kinds)))
        if team and kind and not kind.form.subgroups and not re.fullmatch(r"[^/]+/[^/]+", team):
            yield (
                (*loc, index),
                f"{shown(bare)} is not a valid team: on {kind.title} a team is written organization/team",
            )
