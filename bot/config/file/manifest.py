"""The form of plangate.yml: which forges there are, and which directories are workspaces."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from bot.config.file.concurrency import GroupLimit, GroupName
from bot.config.file.drift import DriftOptions
from bot.config.file.entry import Entry
from bot.config.file.entry import Pattern as NamePattern
from bot.config.file.freeze import FreezeEntry
from bot.config.file.hooks import HookEntries
from bot.config.file.identity import IdentityEntry
from bot.config.file.names import (
    ForgeName,
    RepoName,
    Url,
    Variable,
    WorkspaceName,
    branch_name,
    egress_target,
    name_template,
    pool_name,
    provider_source,
    regular_expression,
    version_constraint,
    workspace_name,
)
from bot.config.file.notifications import Notifications
from bot.config.file.paths import DependsOn, Directory, Pattern, inside
from bot.config.file.policies import PolicySetEntry, Tag, Tags
from bot.config.file.requirements import Require
from bot.config.file.run_tasks import RunTaskEntries
from bot.config.file.variable_entries import Inputs, Variables, VariableSetEntry
from bot.config.problems import did_you_mean, shown
from bot.domain.workspaces.discovery import NAME
from bot.services.ports import ForgeKind, ForgeKinds

DEFAULT_FORGE = "github"
"""The name, and the kind, of the forge where the file names none."""


class ForgeEntry(Entry):
    """A forge. Secrets come from the environment: `..._env` names the variable, never the value.

    The kinds of forges define the `..._env` keys: see `form`.
    """

    kind: str = Field(description="Kind of forge")
    url: Url | None = Field(default=None, description="Its web address. If unset: the public one")
    api_url: Url | None = Field(
        default=None, description="Address of its API, if it is not the usual one for `url`. GitHub only"
    )

    def variables(self, kind: ForgeKind) -> dict[str, str]:
        """Return the names of the variables that the forge reads, by role."""
        named = self.named()
        usual = f"PLANGATE_{kind.name.upper()}"
        return {
            each.role: named.get(each.role, f"{usual}_{each.role.upper()}") for each in kind.form.settings
        }

    def named(self) -> dict[str, str]:
        """Return the variables that the file names, by role."""
        written = {key: getattr(self, key) for key in type(self).model_fields if key.endswith("_env")}
        return {key.removesuffix("_env"): name for key, name in written.items() if name is not None}


class Options(DriftOptions):
    """What may be said for all workspaces under `defaults`, and for each."""

    branch: Annotated[str, AfterValidator(branch_name)] | None = Field(
        default=None,
        description="Branch whose pushes are applied. If unset: the repository's default branch",
    )
    trigger_prefixes: list[Annotated[str, AfterValidator(inside("folder", slash="/"))]] | None = Field(
        default=None,
        description="Other folders, besides the working directory, whose changes start a run",
    )
    trigger_patterns: list[Pattern] | None = Field(
        default=None,
        description="Patterns (`*`, `?`, `**`) of files whose changes start a run, instead of prefixes",
    )
    file_triggers: bool | None = Field(
        default=None, description="`false`: every push starts a run, whatever files it touches"
    )
    find_modules: bool | None = Field(
        default=None, description="`false`: changes in local modules that it uses start no run"
    )
    tag_regex: Annotated[str, AfterValidator(regular_expression)] | None = Field(
        default=None,
        description="Regular expression: tags that match start a run, instead of pushes",
    )
    auto_apply: bool | None = Field(
        default=None, description="Whether the plan of a push is applied without confirmation"
    )
    auto_apply_run_triggers: bool | None = Field(
        default=None, description="The same for runs that another workspace's apply started"
    )
    allowed_modes: list[Literal["destroy", "refresh-only", "replace", "target"]] | None = Field(
        default=None, description="Modes that people may choose for a plan. If unset: all but `destroy`"
    )
    require: list[Require] | None = Field(
        default=None,
        description="What an apply of a change requires. A workspace can only add to the defaults",
    )
    apply: Literal["before_merge", "after_merge", "both"] | None = Field(
        default=None,
        description="When a change is applied: before the merge, after it, or either",
    )
    keep_approval_if_same_plan: bool | None = Field(
        default=None, description="`true`: an approval stays valid after a new commit if the plan is the same"
    )
    plan_of: Literal["head", "merge"] | None = Field(
        default=None,
        description="What a change's plan is made of: its head merged into its base (`merge`), or its head",
    )
    replan_siblings: bool | None = Field(
        default=None,
        description="`false`: an apply only marks the plans of other open changes as outdated",
    )
    forecast: bool | None = Field(
        default=None,
        description="`false`: open changes are not planned together to say what they do to each other",
    )
    automerge: bool | None = Field(
        default=None, description="`true`: a change is merged automatically after every workspace is applied"
    )
    merge_method: Literal["merge", "squash", "rebase"] | None = Field(
        default=None, description="How it is merged. If unset: the first method that the repository allows"
    )
    labels: bool | None = Field(default=None, description="`true`: labels on the change say where it stands")
    freeze: list[FreezeEntry] | None = Field(
        default=None,
        description="Windows of time in which no apply starts, or outside of which none starts",
    )
    tags: Tags | None = Field(default=None, description="Policy sets and people choose workspaces by them")
    project: Tag | None = Field(default=None, description="Project: people find and group workspaces by it")
    team: Tag | None = Field(default=None, description="Team: people find and group workspaces by it")
    network: Literal["filtered", "host", "none"] | None = Field(
        default=None,
        description="What runs reach: public addresses by HTTP and HTTPS; all the worker does; their state",
    )
    egress: list[Annotated[str, AfterValidator(egress_target)]] | None = Field(
        default=None,
        description="The only destinations of `filtered`: names, patterns, addresses and networks",
    )
    providers: list[Annotated[str, AfterValidator(provider_source)]] | None = Field(
        default=None,
        description="The only sources of providers, such as `hashicorp/*` or `registry.example.com/*`",
    )
    own_providers: bool | None = Field(
        default=None, description="`true`: a commit may bring providers of its own in `terraform.d/plugins`"
    )
    own_backend: bool | None = Field(
        default=None,
        description="`true`: the configuration keeps its state itself, by a `backend` or `cloud` block",
    )
    concurrency: GroupName | None = Field(
        default=None, description="Group, of those under `concurrency:`, whose limit its runs keep"
    )
    pool: Annotated[str, AfterValidator(pool_name)] | None = Field(
        default=None,
        description="Pool of workers that run it: `plangate worker --pool`. If unset: the others",
    )
    identity: IdentityEntry | None = Field(
        default=None, description="Clouds for which runs get identity tokens; see docs/how-to/identity.md"
    )
    engine: Literal["terraform", "tofu"] | None = Field(default=None, description="Program that runs it")
    terraform_version: Annotated[str, AfterValidator(version_constraint)] | None = Field(
        default=None,
        description="Version or constraint, in quotes, such as `~> 1.9`. If unset: the newest",
    )


class WorkspaceEntry(Options):
    """One workspace."""

    name: Annotated[str, AfterValidator(workspace_name)] = Field(
        description="Letters, digits, `-` and `_`. Unique",
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )
    repo: RepoName
    working_directory: Annotated[str, AfterValidator(inside("folder"))] | None = Field(
        default=None, description="Folder with the configuration. If unset: the repository's root"
    )
    run_triggers: list[WorkspaceName] | None = Field(
        default=None, description="Workspaces whose successful applies start a run here"
    )
    depends_on: list[DependsOn] | None = Field(
        default=None,
        description="Workspaces of the repository that are applied before it: names, directories, patterns",
    )
    share_state_with: list[NamePattern] | None = Field(
        default=None, description="Workspaces whose runs may read this state: names or patterns of names"
    )
    inputs: Inputs | None = Field(
        default=None,
        description="Outputs of other workspaces that it gets as Terraform variables",
    )
    variables: Variables | None = Field(
        default=None, description="Its own variables. They take precedence over those of sets"
    )


class DiscoverEntry(Options):
    """A rule that turns every matching directory with Terraform files into a workspace."""

    repo: RepoName
    directories: list[Directory] = Field(
        min_length=1, description="Patterns of directories, `.` for the root"
    )
    exclude: list[Directory] | None = Field(default=None, description="Patterns of directories to leave out")
    run_triggers: list[WorkspaceName] | None = Field(
        default=None, description="Workspaces whose successful applies start a run in each"
    )
    depends_on: list[DependsOn] | None = Field(
        default=None, description="Workspaces that are applied before each. `../` starts at its directory"
    )
    share_state_with: list[NamePattern] | None = Field(
        default=None, description="Workspaces whose runs may read the state of each"
    )
    inputs: Inputs | None = Field(
        default=None, description="Outputs of other workspaces that each gets as Terraform variables"
    )
    name: Annotated[str, AfterValidator(name_template)] | None = Field(
        default=None,
        description="Template of {directory} (slashes as dashes), {name} (its last part) and {repo}",
    )


class Manifest(Entry):
    """The whole file."""

    forges: dict[ForgeName, ForgeEntry] | None = Field(
        default=None, description="Forges by name. If unset: one named `github`, on github.com"
    )
    concurrency: dict[GroupName, GroupLimit] | None = Field(
        default=None, description="Groups of workspaces: how many of their runs may be at work at once"
    )
    defaults: Options | None = Field(
        default=None, description="Options for all workspaces; each can set its own"
    )
    workspaces: list[WorkspaceEntry] | None = Field(default=None, description="The workspaces")
    discover: list[DiscoverEntry] | None = Field(
        default=None, description="Rules that find workspaces automatically"
    )
    variable_sets: list[VariableSetEntry] | None = Field(
        default=None, description="Variables for many workspaces at once"
    )
    policy_sets: list[PolicySetEntry] | None = Field(
        default=None, description="Policies that judge every plan of many workspaces"
    )
    notifications: Notifications | None = Field(
        default=None, description="Destinations of notifications by name: chats, mail, webhooks"
    )
    run_tasks: RunTaskEntries | None = Field(
        default=None, description="Services by name that judge runs, in HashiCorp's protocol for run tasks"
    )
    hooks: HookEntries | None = Field(
        default=None, description="Commands of the server by name that judge plans, in the sandbox"
    )

    @property
    def first_forge(self) -> str:
        """The forge of entries that name none. Used only if there is no other forge."""
        return next(iter(self.forges)) if self.forges else DEFAULT_FORGE


def form(kinds: ForgeKinds) -> type[Manifest]:
    """Return the form of plangate.yml where there are these kinds of forges."""
    return _form(tuple(kinds.values()))


def forge_form(kinds: ForgeKinds) -> type[ForgeEntry]:
    """Return the form of one forge, with the keys of all kinds."""
    return _forge_form(tuple(kinds.values()))


@cache
def _form(kinds: tuple[ForgeKind, ...]) -> type[Manifest]:
    entry: Any = _forge_form(kinds)
    fields: dict[str, Any] = {
        "forges": (dict[ForgeName, entry] | None, Manifest.model_fields["forges"]),
    }
    return create_model("Manifest", __base__=Manifest, __doc__=Manifest.__doc__, **fields)


@cache
def _forge_form(kinds: tuple[ForgeKind, ...]) -> type[ForgeEntry]:
    names = [kind.name for kind in kinds]

    def known(value: object) -> object:
        if value not in names:
            raise ValueError(f"{shown(value)} is not known; {did_you_mean(str(value), names)}")
        return value

    labels = {each.role: each.label for kind in reversed(kinds) for each in kind.form.settings}
    public = " or ".join(kind.form.public_url.partition("://")[2] for kind in kinds)
    fields: dict[str, Any] = {
        "kind": (
            Annotated[str, BeforeValidator(known)],
            Field(description="Kind of forge", json_schema_extra={"enum": [*names]}),
        ),
        "url": (Url | None, Field(default=None, description=f"Its web address. If unset: {public}")),
    }
    for role, label in labels.items():
        fields[f"{role}_env"] = (Variable | None, Field(default=None, description=f"Variable with {label}"))
    return create_model("ForgeEntry", __base__=ForgeEntry, __doc__=ForgeEntry.__doc__, **fields)


def json_schema(kinds: ForgeKinds) -> dict[str, Any]:
    """Return the JSON schema of plangate.yml, for editors."""
    schema = form(kinds).model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "plangate.yml"}
