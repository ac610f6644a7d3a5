"""The dependency lock file is read only as Terraform and OpenTofu write it."""

from __future__ import annotations

import pytest

from bot.domain.errors import EngineError
from bot.domain.plans.dependency_lock import LockedProvider, read_lock

AWS, NULL = "registry.terraform.io/hashicorp/aws", "registry.terraform.io/hashicorp/null"
LOCK = f"""\
# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "{AWS}" {{
  version     = "6.0.0-beta1"
  constraints = ">= 5.0.0, != 5.3.0, ~> 6.0"
  hashes = [
    "h1:BOJZ1J4bFYcE2ITkxCEnGlNsQvJwU33h9k++wASylLo=",
    "zh:0a5c1ef4",
  ]
}}

provider "{NULL}" {{
  version = "2.1.2"
}}
"""
WHOLE = (
    LockedProvider(
        AWS,
        "6.0.0-beta1",
        frozenset({"h1:BOJZ1J4bFYcE2ITkxCEnGlNsQvJwU33h9k++wASylLo=", "zh:0a5c1ef4"}),
    ),
    LockedProvider(NULL, "2.1.2", frozenset()),
)


def test_a_lock_file_names_providers_with_versions_and_hashes() -> None:
    assert read_lock(LOCK.encode()) == WHOLE


def test_no_file_and_one_without_providers_name_none() -> None:
    assert read_lock(b"") == ()
    assert read_lock(b"# This file is maintained automatically.\n\n") == ()


def test_line_ends_of_windows_and_a_licence_above_change_nothing() -> None:
    assert read_lock(LOCK.replace("\n", "\r\n").encode()) == WHOLE
    assert read_lock(f"# Copyright \u00a9 Example\n\n{LOCK}".encode()) == WHOLE
    assert read_lock(LOCK.rstrip().encode()) == WHOLE


OPENED = f'provider "{NULL}" {{'
ODD = {
    "a comment after the brace": (OPENED, f"{OPENED} # pinned"),
    "a comment after a value": ('"2.1.2"', '"2.1.2" # pinned'),
    "a comment in a block": (OPENED, f"{OPENED}\n  # pinned"),
    "a block on one line": (f'{OPENED}\n  version = "2.1.2"\n}}', f'{OPENED} version = "2.1.2" }}'),
    "hashes on one line": (
        '"2.1.2"',
        '"2.1.2"\n  hashes = ["h1:BOJZ1J4bFYcE2ITkxCEnGlNsQvJwU33h9k++wASylLo="]',
    ),
    "a comment over lines": (OPENED, f"/* */ {OPENED}"),
    "a comment that hides the block": (OPENED, f"/*\n{OPENED}"),
    "a comment of two slashes": ("# Manual", "// Manual"),
    "a line end inside of a comment": ("# Manual", "# Manual\r"),
    "space before the block": (OPENED, f" {OPENED}"),
    "two spaces": (OPENED, OPENED.replace(" {", "  {")),
    "a tab": ('  version = "2.1.2"', '\tversion = "2.1.2"'),
    "a label without quotes": (f'"{NULL}"', "null"),
    "an escape in an address": ("hashicorp/null", "hashicorp/n\\u0075ll"),
    "an escape in a version": ('"2.1.2"', '"2.1.\\u0032"'),
    "a template in a version": ('"2.1.2"', '"${"2.1.2"}"'),
    "a heredoc": ('"2.1.2"', "<<EOT\n2.1.2\nEOT"),
    "an address that leads elsewhere": ("hashicorp/null", "../null"),
    "an address of two parts": (NULL, "hashicorp/null"),
    "no version": ('  version = "2.1.2"\n', ""),
    "a version twice": ('  version = "2.1.2"', '  version = "2.1.2"\n  version = "2.1.2"'),
    "a version that leads elsewhere": ('"2.1.2"', '".."'),
    "the hashes first": ('    "zh:0a5c1ef4",\n  ]', '    "zh:0a5c1ef4",\n  ]\n  version = "6.0.0"'),
    "another argument": ('  version = "2.1.2"', '  version = "2.1.2"\n  source = "2.1.2"'),
    "no hashes in the list": (
        '    "h1:BOJZ1J4bFYcE2ITkxCEnGlNsQvJwU33h9k++wASylLo=",\n    "zh:0a5c1ef4",\n',
        "",
    ),
    "a hash without its kind": ("zh:0a5c1ef4", "0a5c1ef4"),
    "two hashes on a line": ('"zh:0a5c1ef4",', '"zh:0a5c1ef4", "zh:0a5c1ef5",'),
    "a provider twice": (NULL, AWS),
    "another block": ("provider", "module"),
    "a block that is not closed": ('version = "2.1.2"\n}', 'version = "2.1.2"\n'),
    "a mark of the byte order": ("# This", "\ufeff# This"),
    "a null": ("# Manual", "# \0Manual"),
}


@pytest.mark.parametrize(("plain", "odd"), ODD.values(), ids=ODD.keys())
def test_any_other_layout_is_refused_with_its_line(plain: str, odd: str) -> None:
    assert plain in LOCK
    with pytest.raises(EngineError, match=r"not laid out as `terraform init` writes it: line \d+;.*commit"):
        read_lock(LOCK.replace(plain, odd).encode())


def test_the_error_names_the_line_that_is_odd() -> None:
    with pytest.raises(EngineError, match=r"line 4;"):
        read_lock(LOCK.replace(f'"{AWS}" {{', f'"{AWS}" {{ # pinned').encode())
    with pytest.raises(EngineError, match=r"line 14;"):
        read_lock(LOCK.replace('version = "2.1.2"\n}\n', 'version = "2.1.2"').encode())


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(EngineError, match="line 2;"):
        read_lock(LOCK.replace("Manual", "\udcff").encode(errors="surrogateescape"))
