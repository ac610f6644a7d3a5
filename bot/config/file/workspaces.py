"""Turns plangate.yml's entries into the domain's workspaces and rules, with the defaults filled in."""

from __future__ import annotations

from bot.config.manifest import DiscoverEntry, Manifest, Options, WorkspaceEntry, split_repo
from bot.domain.discovery import DiscoverRule
from bot.domain.events import RepoRef
from bot.domain.merging import MergeMethod
from bot.domain.modes import ALLOWED_BY_DEFAULT, Mode
from bot.domain.workspace import ApplyWhen, EngineKind, Merging, Triggers, Workspace


def read_workspaces(manifest: Manifest) -> tuple[Workspace, ...]:
    """Return the workspaces that the file names; the store gives them their ids."""
    return tuple(
        _workspace(manifest, entry, entry.repo, entry.name, entry.working_directory or "")
        for entry in manifest.workspaces or ()
    )


def read_rules(manifest: Manifest) -> tuple[DiscoverRule, ...]:
    """Return the rules that find workspaces."""
    return tuple(_rule(manifest, entry) for entry in manifest.discover or ())


def _rule(manifest: Manifest, entry: DiscoverEntry) -> DiscoverRule:
    return DiscoverRule(
        like=_workspace(manifest, entry, entry.repo),
        directories=tuple(entry.directories),
        exclude=tuple(entry.exclude or ()),
        name=entry.name or "{directory}",
    )


def _workspace(
    manifest: Manifest,
    entry: WorkspaceEntry | DiscoverEntry,
    repo: str,
    name: str = "",
    working_directory: str = "",
) -> Workspace:
    forge, path = split_repo(repo)
    only = next(iter(manifest.forges)) if manifest.forges else "github"
    options = _filled(entry, manifest.defaults or Options())
    return Workspace(
        id="",
        name=name,
        # Forges take paths in any case; we compare them, so we keep one.
        repo=RepoRef(forge or only, path.lower()),
        branch=options.branch or "",
        working_directory=working_directory,
        triggers=Triggers(
            file_triggers=options.file_triggers is not False,
            prefixes=tuple(options.trigger_prefixes or ()),
            patterns=tuple(options.trigger_patterns or ()),
            tag_regex=options.tag_regex or "",
        ),
        auto_apply=bool(options.auto_apply),
        auto_apply_run_triggers=bool(options.auto_apply_run_triggers),
        allowed_modes=_modes(options),
        run_triggers=tuple(dict.fromkeys(entry.run_triggers or ())),
        tags=tuple(dict.fromkeys(options.tags or ())),
        require=tuple(dict.fromkeys(options.require or ())),
        merging=Merging(
            apply_when=ApplyWhen(options.apply or "both"),
            keep_approval=bool(options.keep_approval_if_same_plan),
            replan_siblings=options.replan_siblings is not False,
            automerge=bool(options.automerge),
            merge_method=MergeMethod(options.merge_method) if options.merge_method else None,
        ),
        engine=EngineKind(options.engine or "terraform"),
        engine_version=options.terraform_version or "",
    )


def _modes(options: Options) -> tuple[Mode, ...]:
    if options.allowed_modes is None:
        return ALLOWED_BY_DEFAULT
    return tuple(mode for mode in Mode if mode.value in options.allowed_modes)


def _filled(entry: Options, defaults: Options) -> Options:
    said = {name: value for name in Options.model_fields if (value := getattr(entry, name)) is not None}
    given = {name: value for name in Options.model_fields if (value := getattr(defaults, name)) is not None}
    if "trigger_prefixes" in said or "trigger_patterns" in said:
        # The two exclude each other: what the workspace says of one takes the place of the default's other.
        given.pop("trigger_prefixes", None)
        given.pop("trigger_patterns", None)
    if "require" in said:
        # What the defaults require, whoever runs the server requires: a workspace only adds to it.
        said["require"] = [*given.get("require", []), *said["require"]]
    return Options.model_construct(**dict.fromkeys(Options.model_fields) | given | said)
