"""The forms of names and places in plangate.yml: workspaces, repositories, branches, versions, variables."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from bot.config.problems import looks_secret, shown
from bot.config.settings import web_address
from bot.domain.errors import Invalid
from bot.domain.workspaces.discovery import NAME, NAME_LENGTH, PLACEHOLDERS
from bot.domain.workspaces.isolation import wrong_egress, wrong_source
from bot.domain.workspaces.versions import Constraint

_FORGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_POOL = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_REPO = re.compile(r"(?:([a-z0-9][a-z0-9_-]*):)?([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|[\x00-\x20~^:?*\[\\\x7f]))[^\n]+(?<![/.])")


def workspace_name(text: str) -> str:
    """Check the name of a workspace. Raises ValueError."""
    if not NAME.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a valid workspace name: letters, digits, `-`, `_`, at most {NAME_LENGTH}"
        )
    return text


def pool_name(text: str) -> str:
    """Check the name of a pool of workers. Raises ValueError."""
    if not _POOL.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid pool: lower-case letters, digits, `-` and `_`")
    return text


def repository_name(text: str) -> str:
    """Check a repository. Raises ValueError."""
    found = _REPO.fullmatch(text)
    if not found or text.endswith(".git") or set(found[2].split("/")) & {".", ".."}:
        path = text.partition("://")[2].partition("/")[2] if "://" in text else text
        hint = "/".join(path.removesuffix(".git").split("/")[:2])
        hint = hint if _REPO.fullmatch(hint) else "acme/infra"
        raise ValueError(f"{shown(text)} is not a valid repository: write owner/name, such as `{hint}`")
    return text


def split_repo(text: str) -> tuple[str, str]:
    """Split `github:acme/infra` into forge (empty if unsaid) and path."""
    forge, colon, path = text.rpartition(":")
    return (forge, path) if colon else ("", text)


def branch_name(text: str) -> str:
    """Check the name of a branch. Raises ValueError."""
    if not _BRANCH.fullmatch(text) or len(text) > 250 or text.startswith("refs/"):
        raise ValueError(
            f"{shown(text)} is not a valid branch name: write it as in `git branch`, such as main"
        )
    return text


def regular_expression(text: str) -> str:
    """Check a regular expression. Raises ValueError."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{shown(text)} is not a valid regular expression: {error.msg}") from error
    return text


def version_constraint(text: str) -> str:
    """Check a version or a constraint. Raises ValueError."""
    try:
        Constraint.parse(text)
    except Invalid as error:
        raise ValueError(
            f"{shown(text)} is not a version: write one such as 1.9.5, ~> 1.9 or >= 1.6, < 2.0"
        ) from error
    return text.strip()


def name_template(text: str) -> str:
    """Check a template of names. Raises ValueError."""
    for word in re.findall(r"\{([^}]*)\}?", text):
        if word not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{shown(text)}: {{{word}}} is not known; use one of: {known}")
    if not re.search(r"\{(directory|name)\}", text):
        raise ValueError(f"{shown(text)} gives each directory the same name: use {{directory}} or {{name}}")
    return text


def variable_name(text: str) -> str:
    """Check the name of an environment variable. Never repeats a value (promise 6). Raises ValueError."""
    if looks_secret(text) or not _VARIABLE.fullmatch(text):
        # The text is not repeated: people paste the secret itself here (promise 6).
        raise ValueError(
            "must be the name of an environment variable, such as WORK_GITHUB_TOKEN, not a value"
        )
    return text


def egress_target(text: str) -> str:
    """Check a destination that runs may reach. Raises ValueError."""
    if wrong := wrong_egress(text):
        raise ValueError(f"{shown(text)} is not a destination: {wrong}")
    return text


def provider_source(text: str) -> str:
    """Check the source of a provider. Raises ValueError."""
    if wrong := wrong_source(text):
        raise ValueError(f"{shown(text)} is not a provider's source: {wrong}")
    return text


def forge_name(text: str) -> str:
    """Check the name of a forge. Raises ValueError."""
    if not _FORGE.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid forge name: lower-case letters, digits, `-` and `_`")
    return text


ForgeName = Annotated[str, AfterValidator(forge_name)]
Variable = Annotated[str, AfterValidator(variable_name)]
Url = Annotated[str, AfterValidator(web_address)]
RepoName = Annotated[
    str,
    AfterValidator(repository_name),
    Field(
        description="`owner/name`. With several forges: `forge:owner/name`. On GitLab also "
        "`group/subgroup/name`"
    ),
]


WorkspaceName = Annotated[str, AfterValidator(workspace_name)]
