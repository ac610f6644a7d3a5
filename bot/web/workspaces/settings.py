"""Builds the page of a workspace's settings: each with what it is here and where that comes from."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.lifecycle import StageStatus
from bot.domain.modes import Mode
from bot.domain.workspace import ApplyWhen, Workspace
from bot.services.ports import RunQuery, Transaction
from bot.web import access, rows
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Link
from bot.web.workspace_pages import SettingRow, SettingsPage

_LOOKED_AT = 10
_APPLIED = {
    ApplyWhen.BEFORE_MERGE: "before the merge",
    ApplyWhen.AFTER_MERGE: "after the merge",
    ApplyWhen.BOTH: "before or after the merge",
}


def build(name: str) -> SettingsPage:
    """Return the page. Raises NotFound."""
    person = access.person_asking()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        every = tx.workspaces.all()
        policies = _policy_sets(tx, workspace)
    places = services().config.written.of(workspace)
    found = "found by a rule under discover in" if workspace.discovered else "named in"
    where = places.get("", "plangate.yml")
    gone = "" if workspace.active else " It is there no more: nothing runs here until it is named again."
    triggered = [each for each in every if workspace.name in each.run_triggers]
    readable = access.readable({each.repo for each in triggered})
    return SettingsPage(
        chrome=rows.chrome(f"Settings · {name}", person, "workspaces"),
        name=harmless(name),
        tabs=rows.tabs(name, "settings"),
        about=f"This workspace was {found} {where}; its settings are changed there.{gone}",
        rows=tuple(_settings(workspace, places)),
        after=tuple(Link(harmless(each), rows.workspace_url(each)) for each in workspace.run_triggers),
        after_from=places.get("run_triggers", ""),
        before=tuple(
            Link(harmless(each.name), rows.workspace_url(each.name))
            for each in triggered
            if each.repo in readable
        ),
        policy_sets=policies,
    )


def _settings(workspace: Workspace, places: Mapping[str, str]) -> list[SettingRow]:
    triggers, merging = workspace.triggers, workspace.merging

    def row(name: str, value: str, *options: str) -> SettingRow:
        said = dict.fromkeys(places[each] for each in options if each in places)
        # Where the file does not speak of it any more, nobody knows which line it was.
        source = "; ".join(said) or ("the default" if places else "an earlier plangate.yml, or the default")
        return SettingRow(name, harmless(value), source)

    modes = ", ".join(mode.value for mode in Mode if mode in workspace.allowed_modes)
    paths = triggers.watched(workspace.working_directory) if triggers.file_triggers else "every push"
    tags = f"tags that match {triggers.tag_regex}" if triggers.tag_regex else "no tags"
    directory = "directories" if workspace.discovered else "working_directory"
    method = merging.merge_method.value if merging.merge_method else "the first that the repository allows"
    return [
        row("Repository", workspace.repo.path, "repo"),
        row("Directory", workspace.working_directory or "the root", directory),
        row("Branch", workspace.branch or "the repository's default branch", "branch"),
        row("Runs on changes of", paths, "file_triggers", "trigger_prefixes", "trigger_patterns"),
        row("Runs on tags", tags, "tag_regex"),
        row("Auto-apply", _on(workspace.auto_apply), "auto_apply"),
        row("Auto-apply after others", _on(workspace.auto_apply_run_triggers), "auto_apply_run_triggers"),
        row("Engine", workspace.engine.value, "engine"),
        row("Version", workspace.engine_version or "the newest that the server has", "terraform_version"),
        row("Plans by hand may", modes or "nothing special", "allowed_modes"),
        row(
            "An apply needs",
            ", ".join(workspace.require).replace("_", " ") or "nothing but the role",
            "require",
        ),
        row("Applied", _APPLIED[merging.apply_when], "apply"),
        row(
            "Keeps an approval if the plan is the same",
            _on(merging.keep_approval),
            "keep_approval_if_same_plan",
        ),
        row("Plans other changes again after an apply", _on(merging.replan_siblings), "replan_siblings"),
        row("Merges by itself", _on(merging.automerge), "automerge"),
        row("Merge method", method, "merge_method"),
        row("Tags", ", ".join(workspace.tags) or "none", "tags"),
    ]


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
