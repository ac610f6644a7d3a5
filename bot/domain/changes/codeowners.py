"""CODEOWNERS: the owners of a directory. GitHub and GitLab read the file in different ways.

Sources: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
and https://docs.gitlab.com/user/project/codeowners/reference/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# The owner of a directory is the owner of its main file, so that `*.tf @ops` works too.
_MAIN = "main.tf"
# A repeated pattern means the same and only takes longer to match.
_FOLDERS = re.compile(r"(?:\*\*/)+")
_HEADING = re.compile(r"(?P<optional>\^)?\[(?P<name>[^\]]+)\](?:\[(?P<needed>\d*)\])?(?:\s+(?P<owners>.*))?")


@dataclass(frozen=True)
class CodeOwners:
    """The text of a CODEOWNERS file; `sections` if it has sections, as GitLab reads it."""

    text: str
    sections: bool = False


@dataclass(frozen=True)
class Owners:
    """People and teams (`acme/ops`), in lower case and without `@`. Email addresses are left out.

    `needed` of them must approve. `section` is the part of the file that says so, if it has parts.
    """

    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    section: str = ""
    needed: int = 1

    def __bool__(self) -> bool:
        return bool(self.people or self.teams)

    def __str__(self) -> str:
        return ", ".join((*self.people, *self.teams))


def owners_of(file: CodeOwners, directory: str) -> tuple[Owners, ...]:
    """Return the owners of a directory, and how many of each must approve. Empty if it has none."""
    path = f"{directory.strip('/')}/{_MAIN}".lstrip("/")
    if file.sections:
        return tuple(filter(None, _sections(file.text, path)))
    found: list[str] = []
    for line in file.text.splitlines():
        pattern, *names = _words(re.sub(r"(?:^|(?<=\s))#.*", "", line))
        if pattern and _regex(pattern).match(path):
            found = names
    handles = _handles(found)
    owners = Owners(
        tuple(name for name in handles if "/" not in name), tuple(name for name in handles if "/" in name)
    )
    return (owners,) if owners else ()


def _words(line: str) -> list[str]:
    return re.split(r"(?<!\\)\s+", line.strip())


def _handles(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word[1:].lower() for word in words if word.startswith("@") and len(word) > 1))


@lru_cache(maxsize=512)
def _regex(pattern: str) -> re.Pattern[str]:
    """Compile GitHub's pattern: an inner slash ties it to the root, a final one makes it a folder."""
    if pattern.startswith("!") or "[" in pattern:
        return re.compile(r"(?!)")  # GitHub does not support it: the line matches nothing
    bare = pattern.replace("\\ ", " ").replace("\\#", "#").removeprefix("/").removesuffix("/")
    anywhere = "" if pattern.startswith("/") or "/" in bare else "(?:.*/)?"
    # A name matches everything below it; `docs/*` only the files of the folder itself.
    below = "/.*" if pattern.endswith("/") else "" if bare.endswith("/*") else "(?:/.*)?"
    return re.compile(f"{anywhere}{_globbed(bare)}{below}\\Z")


def _globbed(bare: str) -> str:
    out = ""
    for part in re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", _FOLDERS.sub("**/", bare)):
        match part:
            case "**/":
                out += "(?:.*/)?"
            case "/**":
                out += "/.*"
            case "**":
                out += ".*"
            case "*":
                out += "[^/]*"
            case "?":
                out += "[^/]"
            case _:
                out += re.escape(part)
    return out


# GitLab


def _sections(text: str, path: str) -> list[Owners]:
    """Return the owners in each section that must approve. In each section the last matching line counts.

    A name without a slash may be a group or a person: the lookup of its members decides.
    """
    sections = {"": _Section("")}
    current = sections[""]
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        heading = _HEADING.fullmatch(line.strip())
        if heading is None:
            current.read(_words(line), path)
            continue
        # Sections of one name are one, and it is required if one of them is.
        name = heading["name"].strip()
        current = sections.setdefault(name.lower(), _Section(name))
        current.needed = max(current.needed, int((heading["needed"] or "1")[:3]))
        current.required |= not heading["optional"]
        current.default = _handles((heading["owners"] or "").split())
    required = [section for name, section in sections.items() if section.required or not name]
    return [Owners((), each.owners, each.name, each.needed) for each in required]


@dataclass
class _Section:
    name: str
    needed: int = 1
    required: bool = False
    default: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    excluded: bool = False

    def read(self, words: list[str], path: str) -> None:
        """Parse a line. A line with `!` excludes its paths from this section."""
        pattern, *names = words
        if self.excluded or not _path_regex(pattern.removeprefix("!")).match(f"/{path}"):
            return
        self.excluded = pattern.startswith("!")
        self.owners = () if self.excluded else _handles(names) or self.default


@lru_cache(maxsize=512)
def _path_regex(pattern: str) -> re.Pattern[str]:
    """Compile GitLab's pattern: only a slash at its start ties it to the root.

    Source: lib/gitlab/code_owners/file.rb (File.fnmatch with FNM_DOTMATCH and FNM_PATHNAME)
    """
    bare = re.sub(r"\A\\#", "#", pattern).replace("\\ ", " ")
    bare = "/**/*" if bare == "*" else bare if bare.startswith("/") else f"/**/{bare}"
    bare, out = _FOLDERS.sub("**/", f"{bare}**/*" if bare.endswith("/") else bare), ""
    for part in re.split(r"(\*\*/|\*+|\?|\[[^\]/]+\])", bare):
        if part == "**/":
            out += "(?:.*/)?"
        elif part.startswith("*"):
            out += "[^/]*"
        elif part == "?":
            out += "[^/]"
        elif part.startswith("[") and len(part) > 2:
            negated = part[1] in "!^" and len(part) > 3
            out += f"[{'^' if negated else ''}{_class(part[2 if negated else 1 : -1])}]"
        else:
            out += re.escape(part)
    try:
        return re.compile(f"{out}\\Z")
    except re.error:
        return re.compile(r"(?!)")  # a class such as [z-a] matches nothing


def _class(letters: str) -> str:
    """Write a class of letters, ranges and all, so that nothing in it means more than in a glob."""
    return re.sub(r"[\\\[\]^&~|]", lambda found: f"\\{found[0]}", letters)
