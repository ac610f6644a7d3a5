"""The form of plangate.yml: which forges there are, and which directories are workspaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bot.config.entry import Entry
from bot.config.policies import PolicySetEntry, Tags
from bot.config.problems import looks_secret, shown
from bot.config.settings import web_address
from bot.config.variable_entries import Variables, VariableSetEntry
from bot.domain.discovery import NAME, NAME_LENGTH, PLACEHOLDERS

_FORGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_REPO = re.compile(r"(?:([a-z0-9][a-z0-9_-]*):)?([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|[\x00-\x20~^:?*\[\\\x7f]))[^\n]+(?<![/.])")
_VERSION = re.compile(r"(?:(?:[=<>]|!=|>=|<=|~>)?\s*\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.]+)?(?:\s*,\s*(?=.)|$))+")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is no workspace name: letters, digits, `-`, `_`, at most {NAME_LENGTH} of them"
        )
    return text


def _repo(text: str) -> str:
    found = _REPO.fullmatch(text)
    if not found or text.endswith(".git") or set(found[2].split("/")) & {".", ".."}:
        path = text.partition("://")[2].partition("/")[2] if "://" in text else text
        hint = "/".join(path.removesuffix(".git").split("/")[:2])
        hint = hint if _REPO.fullmatch(hint) else "acme/infra"
        raise ValueError(f"{shown(text)} is no repository: write owner/name, such as `{hint}`")
    return text


def split_repo(text: str) -> tuple[str, str]:
    """Split `github:acme/infra` into forge (empty where unsaid) and path."""
    forge, colon, path = text.rpartition(":")
    return (forge, path) if colon else ("", text)


def _branch(text: str) -> str:
    if not _BRANCH.fullmatch(text) or len(text) > 250 or text.startswith("refs/"):
        raise ValueError(f"{shown(text)} is no branch name: write it as in `git branch`, such as main")
    return text


def _inside(what: str, slash: str = "") -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text.isprintable() or "\\" in text:
            raise ValueError(f"{shown(text)} is no {what}: write it with forward slashes")
        if text.startswith("/") and not slash:
            bare = text.strip("/") or "."
            raise ValueError(f"{shown(text)} must be relative to the repository's root: write {shown(bare)}")
        steps = text.split("/")
        if ".." in steps or text.startswith("~"):
            raise ValueError(f"{shown(text)} must stay inside the repository: write it without `..` and `~`")
        return "/".join(step for step in steps if step not in ("", ".")) or slash

    return check


def _pattern(text: str) -> str:
    if not text.strip() or "[" in text or "!" in text[:1]:
        raise ValueError(f"{shown(text)} is no pattern: `*`, `?` and `**` are known, such as network/**/*.tf")
    return _inside("pattern", slash="/")(text)


def _directories(text: str) -> str:
    return "." if text in (".", "/", "./") else _pattern(text)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{shown(text)} is no regular expression: {error.msg}") from error
    return text


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text.strip()):
        raise ValueError(f"{shown(text)} is no version: write one such as 1.9.5, ~> 1.9 or >= 1.6, < 2.0")
    return text.strip()


def _template(text: str) -> str:
    for word in re.findall(r"\{([^}]*)\}?", text):
        if word not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{shown(text)}: {{{word}}} is not known; possible here: {known}")
    if not re.search(r"\{(directory|name)\}", text):
        raise ValueError(f"{shown(text)} gives each directory the same name: use {{directory}} or {{name}}")
    return text


def _variable(text: str) -> str:
    if looks_secret(text) or not _VARIABLE.fullmatch(text):
        # The text is not repeated: people paste the secret itself here (promise 6).
        raise ValueError(
            "must be the name of an environment variable, such as WORK_GITHUB_TOKEN, not a value"
        )
    return text


def _forge_name(text: str) -> str:
    if not _FORGE.fullmatch(text):
        raise ValueError(f"{shown(text)} is no forge name: lower-case letters, digits, `-` and `_`")
    return text


ForgeName = Annotated[str, AfterValidator(_forge_name)]
Variable = Annotated[str, AfterValidator(_variable)]
Url = Annotated[str, AfterValidator(web_address)]
RepoName = Annotated[
    str,
    AfterValidator(_repo),
    Field(
        description="`owner/name`, or `forge:owner/name` where there are several forges; on GitLab, groups "
        "may have groups: `group/subgroup/name`"
    ),
]
Require = Literal["approved", "codeowners", "mergeable", "up_to_date", "policies_passed", "not_draft"]
Directory = Annotated[str, AfterValidator(_directories)]
Pattern = Annotated[str, AfterValidator(_pattern)]
WorkspaceName = Annotated[str, AfterValidator(_name)]


class ForgeEntry(Entry):
    """A forge. Secrets stand in the environment: `..._env` names the variable, never the value."""

    kind: Literal["github", "gitlab"] = Field(description="Which forge it is")
    url: Url | None = Field(default=None, description="Its web address; github.com or gitlab.com where unset")
    api_url: Url | None = Field(
        default=None, description="Its API's address, where it is not the usual one for `url`; GitHub only"
    )
    token_env: Variable | None = Field(default=None, description="Variable with the token")
    webhook_secret_env: Variable | None = Field(
        default=None, description="Variable with the webhook's secret"
    )
    app_id_env: Variable | None = Field(default=None, description="Variable with the App's id")
    app_private_key_env: Variable | None = Field(
        default=None, description="Variable with the App's private key"
    )
    client_id_env: Variable | None = Field(
        default=None, description="Variable with the client id by which people sign in"
    )
    client_secret_env: Variable | None = Field(
        default=None, description="Variable with the secret that belongs to it"
    )


class Options(Entry):
    """What may be said for all workspaces under `defaults`, and for each."""

    branch: Annotated[str, AfterValidator(_branch)] | None = Field(
        default=None,
        description="Branch whose pushes are applied; the repository's default branch where unset",
    )
    trigger_prefixes: list[Annotated[str, AfterValidator(_inside("folder", slash="/"))]] | None = Field(
        default=None,
        description="Folders, besides the working directory, in which a change makes the workspace run",
    )
    trigger_patterns: list[Pattern] | None = Field(
        default=None,
        description="Patterns (`*`, `?`, `**`) of files whose change makes it run; instead of prefixes",
    )
    file_triggers: bool | None = Field(
        default=None, description="`false`: every push runs, whatever it touches"
    )
    tag_regex: Annotated[str, AfterValidator(_regex)] | None = Field(
        default=None,
        description="Regular expression: a tag that matches makes the workspace run, instead of pushes",
    )
    auto_apply: bool | None = Field(
        default=None, description="Whether a push's plan is applied without being asked"
    )
    auto_apply_run_triggers: bool | None = Field(
        default=None, description="The same for runs that another workspace's apply started"
    )
    allowed_modes: list[Literal["destroy", "refresh-only", "replace", "target"]] | None = Field(
        default=None, description="How plans may be asked for by hand; all but `destroy` where unset"
    )
    require: list[Require] | None = Field(
        default=None,
        description="What an apply of a change needs; a workspace adds to the defaults', and lowers none",
    )
    apply: Literal["before_merge", "after_merge", "both"] | None = Field(
        default=None,
        description="Whether plans are applied on the change, from the branch it is merged to, or either",
    )
    keep_approval_if_same_plan: bool | None = Field(
        default=None, description="`true`: an approval outlives a new commit whose plan is the same"
    )
    replan_siblings: bool | None = Field(
        default=None,
        description="`false`: an apply only marks the plans of other open changes as outdated",
    )
    automerge: bool | None = Field(
        default=None, description="`true`: a change is merged by itself once every workspace is applied"
    )
    merge_method: Literal["merge", "squash", "rebase"] | None = Field(
        default=None, description="How it is merged; the first way that the repository allows where unset"
    )
    tags: Tags | None = Field(default=None, description="Words by which policy sets choose workspaces")
    engine: Literal["terraform", "tofu"] | None = Field(default=None, description="Which program runs it")
    terraform_version: Annotated[str, AfterValidator(_version)] | None = Field(
        default=None,
        description="Version or constraint, in quotes, such as `~> 1.9`; the newest there is where unset",
    )


class WorkspaceEntry(Options):
    """One workspace."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        description="Letters, digits, `-` and `_`; no two alike",
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )
    repo: RepoName
    working_directory: Annotated[str, AfterValidator(_inside("folder"))] | None = Field(
        default=None, description="Folder with the configuration; the repository's root where unset"
    )
    run_triggers: list[WorkspaceName] | None = Field(
        default=None, description="Workspaces whose successful applies start a run here"
    )
    variables: Variables | None = Field(
        default=None, description="Variables of its own, over those of any set"
    )


class DiscoverEntry(Options):
    """A rule that makes a workspace of every matching directory with Terraform files."""

    repo: RepoName
    directories: list[Directory] = Field(
        min_length=1, description="Patterns of directories, `.` for the root"
    )
    exclude: list[Directory] | None = Field(default=None, description="Patterns of directories to leave out")
    run_triggers: list[WorkspaceName] | None = Field(
        default=None, description="Workspaces whose successful applies start a run in each"
    )
    name: Annotated[str, AfterValidator(_template)] | None = Field(
        default=None,
        description="Template of {directory} (slashes as dashes), {name} (its last part) and {repo}",
    )


class Manifest(Entry):
    """The whole file."""

    forges: dict[ForgeName, ForgeEntry] | None = Field(
        default=None, description="Forges by name; one named `github`, on github.com, where unset"
    )
    defaults: Options | None = Field(
        default=None, description="Options for every workspace that does not say otherwise"
    )
    workspaces: list[WorkspaceEntry] | None = Field(default=None, description="The workspaces")
    discover: list[DiscoverEntry] | None = Field(
        default=None, description="Rules that find workspaces by themselves"
    )
    variable_sets: list[VariableSetEntry] | None = Field(
        default=None, description="Variables for many workspaces at once"
    )
    policy_sets: list[PolicySetEntry] | None = Field(
        default=None, description="Policies that judge every plan of many workspaces"
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of plangate.yml, for editors."""
    schema = Manifest.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "plangate.yml"}
