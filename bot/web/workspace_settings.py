"""Builds the page of a workspace's settings: each with what it is here and where that comes from."""

from __future__ import annotations

from dataclasses import fields

from bot.domain.lifecycle import StageStatus
from bot.domain.modes import Mode
from bot.domain.workspace import Merging, Triggers, Workspace
from bot.services.ports import RunQuery, Transaction
from bot.web import access, rows
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Link
from bot.web.workspace_pages import SettingRow, SettingsPage

_LOOKED_AT = 10
_DEFAULTS = {field.name: field.default for field in fields(Workspace)}
_MERGING, _TRIGGERS = Merging(), Triggers()


def build(name: str) -> SettingsPage:
    """Return the page. Raises NotFound."""
    person = access.person_asking()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        every = tx.workspaces.all()
        policies = _policy_sets(tx, workspace)
    found = "found by a rule under discover in" if workspace.discovered else "named in"
    gone = "" if workspace.active else " It is there no more: nothing runs here until it is named again."
    triggered = [each for each in every if workspace.name in each.run_triggers]
    readable = access.readable({each.repo for each in triggered})
    return SettingsPage(
        chrome=rows.chrome(f"Settings · {name}", person, "workspaces"),
        name=harmless(name),
        tabs=rows.tabs(name, "settings"),
        about=f"This workspace was {found} plangate.yml, where its settings are changed.{gone}",
        rows=tuple(_settings(workspace)),
        after=tuple(Link(harmless(each), rows.workspace_url(each)) for each in workspace.run_triggers),
        before=tuple(
            Link(harmless(each.name), rows.workspace_url(each.name))
            for each in triggered
            if each.repo in readable
        ),
        policy_sets=policies,
    )


def _settings(workspace: Workspace) -> list[SettingRow]:
    triggers, merging = workspace.triggers, workspace.merging
    own = "plangate.yml: the rule that found it" if workspace.discovered else "plangate.yml: its own entry"

    def row(name: str, value: str, is_default: bool, *, always: bool = False) -> SettingRow:
        source = own if always else "the default" if is_default else f"{own}, or defaults"
        return SettingRow(name, harmless(value), source)

    def of(name: str, label: str, value: str) -> SettingRow:
        return row(label, value, getattr(workspace, name) == _DEFAULTS[name])

    modes = ", ".join(mode.value for mode in Mode if mode in workspace.allowed_modes)
    paths = triggers.watched(workspace.working_directory) if triggers.file_triggers else "every push"
    tags = f"tags that match {triggers.tag_regex}" if triggers.tag_regex else "no tags"
    return [
        row("Repository", workspace.repo.path, False, always=True),
        row("Directory", workspace.working_directory or "the root", False, always=True),
        of("branch", "Branch", workspace.branch or "the repository's default branch"),
        row("Runs on changes of", paths, _same(triggers)),
        row("Runs on tags", tags, not triggers.tag_regex),
        of("auto_apply", "Auto-apply", _on(workspace.auto_apply)),
        of("auto_apply_run_triggers", "Auto-apply after others", _on(workspace.auto_apply_run_triggers)),
        of("engine", "Engine", workspace.engine.value),
        of("engine_version", "Version", workspace.engine_version or "what the server has"),
        of("allowed_modes", "Allowed modes", modes or "none"),
        of("require", "An apply needs", ", ".join(workspace.require) or "nothing but the role"),
        row("Applied", merging.apply_when.value.replace("_", " "), merging.apply_when is _MERGING.apply_when),
        row(
            "Keeps an approval if the plan is the same",
            _on(merging.keep_approval),
            merging.keep_approval == _MERGING.keep_approval,
        ),
        row(
            "Plans other changes again after an apply",
            _on(merging.replan_siblings),
            merging.replan_siblings == _MERGING.replan_siblings,
        ),
        row("Merges by itself", _on(merging.automerge), merging.automerge == _MERGING.automerge),
        of("tags", "Tags", ", ".join(workspace.tags) or "none"),
    ]


def _same(triggers: Triggers) -> bool:
    mine = (triggers.file_triggers, triggers.prefixes, triggers.patterns)
    return mine == (_TRIGGERS.file_triggers, _TRIGGERS.prefixes, _TRIGGERS.patterns)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _policy_sets(tx: Transaction, workspace: Workspace) -> tuple[SettingRow, ...]:
    """The sets that judged the latest plan, with where they are from."""
    for run in tx.runs.find(RunQuery(workspace_id=workspace.id, limit=_LOOKED_AT)):
        if run.plan_status is StageStatus.FINISHED:
            return tuple(
                SettingRow(harmless(name), harmless(origin), commit[:7])
                for name, (origin, commit) in sorted(tx.policies.origins(run.id).items())
            )
    return ()
