"""Builds the page of a workspace's settings: the value and the origin of each."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.plans.modes import Mode
from bot.domain.runs.lifecycle import StageStatus
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.drift import DriftSettings
from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.identity import Identity, Target
from bot.domain.workspaces.isolation import Isolation, Network
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.workspace import ApplyWhen, PlanOf, Workspace
from bot.services.ports import RunQuery, Transaction
from bot.web.page import elements
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services
from bot.web.workspaces.context import SettingRow, SettingsPage

_LOOKED_AT = 10
_APPLIED = {
    ApplyWhen.BEFORE_MERGE: "before the merge",
    ApplyWhen.AFTER_MERGE: "after the merge",
    ApplyWhen.BOTH: "before or after the merge",
}
_PLANNED_OF = {PlanOf.HEAD: "their head", PlanOf.MERGE: "their head merged into their base"}


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
    gone = "" if workspace.active else " It is no longer there: nothing runs here until you add it again."
    triggered = [each for each in every if workspace.name in each.run_triggers]
    readable = access.readable({each.repo for each in triggered})
    return SettingsPage(
        chrome=elements.chrome(f"Settings · {name}", person, "workspaces"),
        name=harmless(name),
        tabs=elements.tabs(name, "settings"),
        about=f"This workspace was {found} {where}; its settings are changed there.{gone}",
        rows=tuple(_settings(workspace, places)),
        after=tuple(Link(harmless(each), elements.workspace_url(each)) for each in workspace.run_triggers),
        after_from=places.get("run_triggers", ""),
        before=tuple(
            Link(harmless(each.name), elements.workspace_url(each.name))
            for each in triggered
            if each.repo in readable
        ),
        policy_sets=policies,
    )


_TRIGGERS = ("file_triggers", "trigger_prefixes", "trigger_patterns", "find_modules")


def _settings(workspace: Workspace, places: Mapping[str, str]) -> list[SettingRow]:
    triggers, merging = workspace.triggers, workspace.merging

    def row(name: str, value: str, *options: str) -> SettingRow:
        said = dict.fromkeys(places[each] for each in options if each in places)
        # If the file no longer has the entry, its line is not known.
        source = "; ".join(said) or ("the default" if places else "an earlier plangate.yml, or the default")
        return SettingRow(name, harmless(value), source, options)

    modes = ", ".join(mode.value for mode in Mode if mode in workspace.allowed_modes)
    tags = f"tags that match {triggers.tag_regex}" if triggers.tag_regex else "no tags"
    directory = "directories" if workspace.discovered else "working_directory"
    method = merging.merge_method or "the first method that the repository allows"
    return [
        row("Repository", workspace.repo.path, "repo"),
        row("Directory", workspace.working_directory or "the root", directory),
        row("Branch", workspace.branch or "the repository's default branch", "branch"),
        row("Runs on changes of", _paths(workspace), *_TRIGGERS),
        row("Runs on tags", tags, "tag_regex"),
        row("Auto-apply", _on(workspace.auto_apply), "auto_apply"),
        row("Auto-apply after others", _on(workspace.auto_apply_run_triggers), "auto_apply_run_triggers"),
        row("Applied after", ", ".join(workspace.depends_on) or "no other workspace", "depends_on"),
        row("State is read by", ", ".join(workspace.share_state_with) or "only itself", "share_state_with"),
        row("Gets outputs", _inputs(workspace), "inputs"),
        row("Engine", workspace.engine.value, "engine"),
        row("Version", workspace.engine_version or "the newest that the server has", "terraform_version"),
        row("Plans by hand may", modes or "nothing special", "allowed_modes"),
        row("An apply needs", _required(workspace), "require"),
        row("Applied", _APPLIED[merging.apply_when], "apply"),
        row(
            "Keeps an approval if the plan is the same",
            _on(merging.keep_approval),
            "keep_approval_if_same_plan",
        ),
        row("Plans of changes are of", _PLANNED_OF[merging.plan_of], "plan_of"),
        row("Plans other changes again after an apply", _on(merging.replan_siblings), "replan_siblings"),
        row("Plans open changes together", _on(merging.forecast), "forecast"),
        row("Merges by itself", _on(merging.automerge), "automerge"),
        row("Labels its changes", _on(workspace.labels), "labels"),
        row("Merge method", method, "merge_method"),
        row("State", "kept by its own backend" if workspace.own_backend else "kept here", "own_backend"),
        row("Runs reach", _reach(workspace.isolation), "network", "egress"),
        row("Providers", _providers(workspace.isolation), "providers", "own_providers"),
        row("No apply starts", "; ".join(map(_window, workspace.freeze)) or "never", "freeze"),
        row("Checked for drift", _checked(workspace.drift), "drift", "time_zone", "drift_ignore"),
        row("Identity tokens", _identity(workspace.identity), "identity"),
        row("Runs at work at once", _concurrency(workspace.concurrency), "concurrency"),
        row("Run by the workers of", f"the pool {workspace.pool}" if workspace.pool else "no pool", "pool"),
        row("Tags", ", ".join(workspace.tags) or "none", "tags"),
        row("Project", workspace.project or "none", "project"),
        row("Team", workspace.team or "none", "team"),
    ]


def _window(window: FreezeWindow) -> str:
    hours, minutes = divmod(int(window.length.total_seconds()) // 60, 60)
    length = f"{hours}h{f'{minutes}m' if minutes else ''}" if hours else f"{minutes}m"
    why = f" ({window.why})" if window.why else ""
    return f"{'in' if window.deny else 'outside of'} {length} from {window.starts} {window.zone}{why}"


def _required(workspace: Workspace) -> str:
    return ", ".join(workspace.require).replace("_", " ") or "only the role"


def _checked(drift: DriftSettings) -> str:
    ignored = _ignored(drift)
    return f"{drift.words}, without {ignored}" if ignored else drift.words


def _ignored(drift: DriftSettings) -> str:
    rules = (
        f"{each.address} ({', '.join(each.attributes)})" if each.attributes else each.address
        for each in drift.ignore
    )
    return "; ".join(rules)


def _reach(isolation: Isolation) -> str:
    match isolation.network:
        case Network.HOST:
            return "all that the worker reaches"
        case Network.NONE:
            return "only their state"
        case Network.FILTERED:
            return ", ".join(isolation.egress) or "public addresses, by HTTP and HTTPS"


def _providers(isolation: Isolation) -> str:
    sources = ", ".join(isolation.providers) or "from any source"
    return f"{sources}; a commit may bring its own" if isolation.own_providers else sources


def _identity(identity: Identity) -> str:
    """Name each audience, and whom a plan and an apply act as."""
    if not identity.targets:
        return "none"
    said = "; ".join(_target(target) for target in identity.targets)
    return f"{said}; also for changes from forks" if identity.forks else said


def _target(target: Target) -> str:
    acting = [
        f"{phase.value} as {role}" for phase in (Phase.PLAN, Phase.APPLY) if (role := target.acts_as(phase))
    ]
    return f"{target.tag} ({', '.join(acting)})" if acting else f"{target.tag} (audience {target.audience})"


def _concurrency(group: Concurrency | None) -> str:
    return f"{group.limit} in the group {group.group}" if group else "one for each worker"


def _on(value: bool) -> str:
    return "on" if value else "off"


def _policy_sets(tx: Transaction, workspace: Workspace) -> tuple[SettingRow, ...]:
    """The sets that judged the latest plan, with their origins."""
    for run in tx.runs.find(RunQuery(workspace_id=workspace.id, limit=_LOOKED_AT)):
        if run.plan_status is StageStatus.FINISHED:
            return tuple(
                SettingRow(harmless(name), harmless(origin), commit[:7])
                for name, (origin, commit) in sorted(tx.policies.origins(run.id).items())
            )
    return ()


def _inputs(workspace: Workspace) -> str:
    return ", ".join(f"{each.variable} = {each.source}" for each in workspace.inputs) or "none"


def _paths(workspace: Workspace) -> str:
    triggers = workspace.triggers
    paths = triggers.watched(workspace.working_directory) if triggers.file_triggers else "every push"
    modules = triggers.by_modules and workspace.working_directory
    return f"{paths}, and local modules that it uses" if modules else paths
