"""Reads dependency lock files: which providers a run uses, in which versions, with which hashes.

Only the layout that Terraform and OpenTofu write is read. HCL lets the same be written in many other ways.
If one of these were read wrongly, it would hide a provider from the workspace's list of allowed providers and
from the digest (promises 1 and 5).

Source: internal/depsfile/locks_file.go of Terraform and OpenTofu. Both write line feeds, and read the line
ends of Windows too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.domain.errors import EngineError

# A value: without escapes, templates and control characters, so it means what it shows.
_VALUE = r'[^"\\$%\x00-\x1f\x7f]'
_PART = r'(?!\.)[^"\\$%/\s\x00-\x1f\x7f]+'
_LINES = {
    "blank": "",
    # Only outside of blocks, where Terraform writes two itself. Licences stand there too.
    "comment": r"#[^\x00-\x08\x0a-\x1f\x7f]*",
    "provider": rf'provider "({_PART}/{_PART}/{_PART})" {{',
    "version": r'  version += "([0-9][0-9A-Za-z.+-]*)"',
    "constraints": rf'  constraints += "({_VALUE}*)"',
    "hashes": r"  hashes += \[",
    "hash": r'    "([0-9A-Za-z]+:[0-9A-Za-z+/=._-]+)",',
    "end of hashes": r"  \]",
    "end": r"\}",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _LINES.items()}
_OUTSIDE = ("blank", "comment", "provider")
# What may come after a line of each kind.
_NEXT = {
    **dict.fromkeys(("blank", "comment", "end"), _OUTSIDE),
    "provider": ("version",),
    "version": ("constraints", "hashes", "end"),
    "constraints": ("hashes", "end"),
    "hashes": ("hash",),
    "hash": ("hash", "end of hashes"),
    "end of hashes": ("end",),
}


@dataclass(frozen=True)
class LockedProvider:
    """A provider by its whole address, with its version and the hashes of packages that may be used."""

    address: str
    version: str
    hashes: frozenset[str]


def read_lock(text: bytes) -> tuple[LockedProvider, ...]:
    """Return the providers that a dependency lock file names; none for an empty one.

    Raises EngineError for every other layout than that of `terraform init`, with the line.
    """
    found: dict[str, LockedProvider] = {}
    address, version, hashes, before = "", "", set[str](), "blank"
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    for number, raw in enumerate(lines, start=1):
        kind, value = _read(raw, _NEXT[before])
        if kind == "provider":
            address, version, hashes = value, "", set()
        elif kind == "version":
            version = value
        elif kind == "hash":
            hashes.add(value)
        if not kind or (kind == "provider" and address in found):
            raise _odd(number)
        if kind == "end":
            found[address] = LockedProvider(address, version, frozenset(hashes))
        before = kind
    if _NEXT[before] is not _OUTSIDE:
        raise _odd(len(lines))
    return tuple(found.values())


def _read(raw: bytes, kinds: tuple[str, ...]) -> tuple[str, str]:
    """Return which of some kinds a line is, and the value in it. Empty if it is none of them."""
    try:
        line = raw.decode()
    except UnicodeDecodeError:
        return "", ""
    for kind in kinds:
        if match := _PATTERNS[kind].fullmatch(line):
            return kind, match[1] if match.re.groups else ""
    return "", ""


def _odd(number: int) -> EngineError:
    return EngineError(
        f".terraform.lock.hcl is not laid out as `terraform init` writes it: line {number}; "
        "run `terraform providers lock`, or delete the file and run `terraform init`, and commit the result"
    )
