"""CODEOWNERS: who owns a directory. As GitHub reads the file: of the lines that match, the last one counts.

Source: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# A directory belongs to whoever owns its main file: that is how `*.tf @ops` is meant too.
_MAIN = "main.tf"


@dataclass(frozen=True)
class Owners:
    """People and teams (`acme/ops`), in lower case and without their `@`. Addresses of mail are left out."""

    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.people or self.teams)

    def __str__(self) -> str:
        return ", ".join((*self.people, *self.teams))


def owners_of(text: str, directory: str) -> Owners:
    """Return who owns a directory by a CODEOWNERS file, nobody where no line matches or names one."""
    path = f"{directory.strip('/')}/{_MAIN}".lstrip("/")
    found: list[str] = []
    for line in text.splitlines():
        pattern, *names = re.split(r"(?<!\\)\s+", re.sub(r"(?:^|(?<=\s))#.*", "", line).strip())
        if pattern and _regex(pattern).match(path):
            found = [name.lower() for name in names]
    handles = [name[1:] for name in found if name.startswith("@")]
    return Owners(
        tuple(dict.fromkeys(name for name in handles if "/" not in name)),
        tuple(dict.fromkeys(name for name in handles if "/" in name)),
    )


@lru_cache(maxsize=512)
def _regex(pattern: str) -> re.Pattern[str]:
    """Compile a pattern: a slash at its start or within ties it to the root, one at its end is a folder's."""
    if pattern.startswith("!") or "[" in pattern:
        return re.compile(r"(?!)")  # GitHub knows neither: such a line owns nothing
    bare = pattern.replace("\\ ", " ").replace("\\#", "#").removeprefix("/").removesuffix("/")
    anywhere = "" if pattern.startswith("/") or "/" in bare else "(?:.*/)?"
    out = ""
    for part in re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", bare):
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
    # A name owns what is below it; `docs/*` only what lies in the folder itself.
    below = "/.*" if pattern.endswith("/") else "" if bare.endswith("/*") else "(?:/.*)?"
    return re.compile(f"{anywhere}{out}{below}\\Z")
