"""Which changed files make a workspace run."""

from __future__ import annotations

import pytest

from bot.domain.events import ChangedFiles
from bot.domain.workspaces.workspace import Triggers, pattern_regex


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("envs/*", "envs/dev", True),
        ("envs/*", "envs/dev/main.tf", False),
        ("envs/**", "envs/dev/main.tf", True),
        ("envs/**", "envs", False),
        ("**/*.tf", "main.tf", True),
        ("**/*.tf", "a/b/c/main.tf", True),
        ("**/*.tf", "a/b/main.tfvars", False),
        ("/envs/dev/*.tf", "envs/dev/main.tf", True),
        ("a/**/z.tf", "a/z.tf", True),
        ("a/**/z.tf", "a/b/c/z.tf", True),
        ("a/**/z.tf", "ab/z.tf", False),
        ("v?.tf", "v1.tf", True),
        ("v?.tf", "v.tf", False),
        ("v?.tf", "v12.tf", False),
        ("v?.tf", "v/.tf", False),
        ("a.tf", "abtf", False),
        ("a.tf", "a.tf.json", False),
        ("*.tf", ".hidden.tf", True),
        ("(x|y).tf", "x.tf", False),
        ("[ab].tf", "a.tf", False),
        ("**", "anything/at/all", True),
        ("**", "two\nlines.tf", True),
        ("a*c", "a\nc", True),
        ("envs/dev", "envs/dev/main.tf", False),
        ("módulos/*", "módulos/é.tf", True),
    ],
)
def test_patterns_match_whole_paths_from_the_root(pattern: str, path: str, matches: bool) -> None:
    assert bool(pattern_regex(pattern).match(path)) is matches


@pytest.mark.parametrize(
    ("triggers", "directory", "files", "reason"),
    [
        (Triggers(), "net", ["net/main.tf"], "net/main.tf is in net"),
        (Triggers(), "net", ["network/main.tf"], None),
        (Triggers(), "net", ["net"], "net is in net"),
        (Triggers(), "net", ["README.md"], None),
        (Triggers(), "net/", ["net/a.tf"], "net/a.tf is in net"),
        (Triggers(), ".", ["x/a.tf"], "x/a.tf is in ."),
        (Triggers(), "", ["README.md"], "README.md changed"),
        (Triggers(), "", [], None),
        (Triggers(prefixes=("modules",)), "net", ["modules/a.tf"], "modules/a.tf is in modules"),
        (Triggers(prefixes=("/modules/",)), "net", ["net/a.tf"], "net/a.tf is in net"),
        (Triggers(prefixes=("modules",)), "", ["README.md"], None),
        (Triggers(patterns=("**/*.tf",)), "net", ["db/a.tf"], "db/a.tf matches **/*.tf"),
        (Triggers(patterns=("**/*.tf",)), "net", ["net/README.md"], None),
        (Triggers(file_triggers=False), "net", ["README.md"], "file triggers are off, so every push runs"),
        (Triggers(file_triggers=False), "net", [], "file triggers are off, so every push runs"),
    ],
)
def test_a_workspace_says_which_file_touches_it(
    triggers: Triggers, directory: str, files: list[str], reason: str | None
) -> None:
    assert triggers.reason(ChangedFiles(tuple(files)), directory) == reason


@pytest.mark.parametrize("files", [ChangedFiles.unknown(), ChangedFiles(("README.md",), complete=False)])
def test_a_list_that_is_missing_or_cut_short_touches_everything(files: ChangedFiles) -> None:
    why = "the list of changed files is incomplete, so every workspace runs"
    assert Triggers(patterns=("never",)).reason(files, "net") == why


def test_a_workspace_says_what_it_watches() -> None:
    assert Triggers().watched("") == "the whole repository"
    assert Triggers(prefixes=("modules/",)).watched("net") == "net/, modules/"
    assert Triggers(patterns=("a/*", "b/*")).watched("net") == "a/*, b/*"


@pytest.mark.parametrize(
    ("triggers", "named"),
    [
        (Triggers(), ()),
        (Triggers(prefixes=("/shared/",)), ("shared/a.tf",)),
        (Triggers(prefixes=(".",)), ("net/a.tf", "shared/a.tf", "a.md")),
        (Triggers(patterns=("/**/*.md", "net/*")), ("net/a.tf", "a.md")),
        (Triggers(file_triggers=False), ("net/a.tf", "shared/a.tf", "a.md")),
    ],
)
def test_files_that_settings_name_are_told_from_those_that_count_by_default(
    triggers: Triggers, named: tuple[str, ...]
) -> None:
    paths = ("net/a.tf", "shared/a.tf", "a.md")
    assert tuple(filter(triggers.names, paths)) == named
