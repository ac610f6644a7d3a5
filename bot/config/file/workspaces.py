"""Turns plangate.yml's entries into workspaces and rules of the domain, with the defaults filled in."""

from __future__ import annotations

from bot.config.file.drift import read_drift_settings
from bot.config.file.freeze import read_freeze
from bot.config.file.identity import read_identity
from bot.config.file.isolation import isolation_of
from bot.config.file.manifest import (
    DiscoverEntry,
    Manifest,
    Options,
    WorkspaceEntry,
)
from bot.config.file.names import split_repo
from bot.config.file.requirements import RequiredApprovals
from bot.config.file.sharing import read_inputs
from bot.domain.events import RepoRef
from bot.domain.plans.modes import ALLOWED_BY_DEFAULT, Mode
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.isolation import Network
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.workspace import ApplyWhen, EngineKind, Merging, PlanOf, Triggers, Workspace


def read_workspaces(manifest: Manifest, network: Network = Network.FILTERED) -> tuple[Workspace, ...]:
    """Return the workspaces that the file names; the store gives them their ids.

    `network` is for those that do not say what they reach.
    """
    return tuple(
        _workspace(manifest, network, entry, entry.repo, entry.name, entry.working_directory or "")
        for entry in manifest.workspaces or ()
    )


def read_rules(manifest: Manifest, network: Network = Network.FILTERED) -> tuple[DiscoverRule, ...]:
    """Return the rules that find workspaces; `network` is for those that do not say what they reach."""
    return tuple(_rule(manifest, network, entry) for entry in manifest.discover or ())


def _rule(manifest: Manifest, network: Network, entry: DiscoverEntry) -> DiscoverRule:
    return DiscoverRule(
        like=_workspace(manifest, network, entry, entry.repo),
        directories=tuple(entry.directories),
        exclude=tuple(entry.exclude or ()),
        name=entry.name or "{directory}",
    )


def _workspace(
    manifest: Manifest,
    network: Network,
    entry: WorkspaceEntry | DiscoverEntry,
    repo: str,
    name: str = "",
    working_directory: str = "",
) -> Workspace:
    forge, path = split_repo(repo)
    options, inputs = _filled(entry, manifest.defaults or Options()), read_inputs(entry.inputs or {})
    return Workspace(
        id="",
        name=name,
        # Forges ignore the case of paths; we compare paths, so we normalise it.
        repo=RepoRef(forge or manifest.first_forge, path.lower()),
        branch=options.branch or "",
        working_directory=working_directory,
        triggers=Triggers(
            file_triggers=options.file_triggers is not False,
            prefixes=tuple(options.trigger_prefixes or ()),
            patterns=tuple(options.trigger_patterns or ()),
            tag_regex=options.tag_regex or "",
            find_modules=options.find_modules is not False,
        ),
        auto_apply=bool(options.auto_apply),
        auto_apply_run_triggers=bool(options.auto_apply_run_triggers),
        allowed_modes=_modes(options),
        run_triggers=tuple(dict.fromkeys(entry.run_triggers or ())),
        depends_on=tuple(dict.fromkeys((*(entry.depends_on or ()), *(i.workspace for i in inputs)))),
        share_state_with=tuple(dict.fromkeys(entry.share_state_with or ())),
        inputs=inputs,
        tags=tuple(dict.fromkeys(options.tags or ())),
        require=tuple(dict.fromkeys(map(_requirement, options.require or ()))),
        merging=Merging(
            apply_when=ApplyWhen(options.apply or "both"),
            keep_approval=bool(options.keep_approval_if_same_plan),
            replan_siblings=options.replan_siblings is not False,
            automerge=bool(options.automerge),
            merge_method=MergeMethod(options.merge_method) if options.merge_method else None,
            plan_of=PlanOf(options.plan_of or "merge"),
            forecast=options.forecast is not False,
        ),
        isolation=isolation_of(options, network),
        own_backend=bool(options.own_backend),
        engine=EngineKind(options.engine or "terraform"),
        engine_version=options.terraform_version or "",
        identity=read_identity(options.identity),
        concurrency=_concurrency(manifest, options.concurrency),
        freeze=read_freeze(options.freeze),
        drift=read_drift_settings(options),
        labels=bool(options.labels),
        project=options.project or "",
        team=options.team or "",
        pool=options.pool or "",
    )


def _concurrency(manifest: Manifest, group: str | None) -> Concurrency | None:
    return None if group is None else Concurrency(group, (manifest.concurrency or {})[group])


def _requirement(entry: str | RequiredApprovals) -> str:
    return f"approved: {entry.approved}" if isinstance(entry, RequiredApprovals) else entry


def _modes(options: Options) -> tuple[Mode, ...]:
    if options.allowed_modes is None:
        return ALLOWED_BY_DEFAULT
    return tuple(mode for mode in Mode if mode.value in options.allowed_modes)


def _filled(entry: Options, defaults: Options) -> Options:
    said = {name: value for name in Options.model_fields if (value := getattr(entry, name)) is not None}
    given = {name: value for name in Options.model_fields if (value := getattr(defaults, name)) is not None}
    if "trigger_prefixes" in said or "trigger_patterns" in said:
        # The two exclude each other: if the workspace sets one, it replaces the other of the defaults.
        given.pop("trigger_prefixes", None)
        given.pop("trigger_patterns", None)
    if "require" in said:
        # The defaults are the operator's requirements: a workspace can only add to them.
        said["require"] = [*given.get("require", []), *said["require"]]
    return Options.model_construct(**dict.fromkeys(Options.model_fields) | given | said)
