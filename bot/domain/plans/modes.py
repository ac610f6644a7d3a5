"""How a plan is made, in Terraform's own flags: destroy, refresh-only, replace, target.

Flags come from people's comments and forms and end on Terraform's command line: only known flags with
addresses that Terraform would take get there (promise 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.errors import Invalid


class Mode(StrEnum):
    """What a workspace may allow."""

    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"
    REPLACE = "replace"
    TARGET = "target"


# Most workspaces should never destroy everything: to allow it, set it in plangate.yml.
ALLOWED_BY_DEFAULT = (Mode.REFRESH_ONLY, Mode.REPLACE, Mode.TARGET)

MOST_ADDRESSES = 50
LONGEST_ADDRESS = 1000

_NAME = r"[^\W\d][\w-]*"
_INDEX = r'(?:\[(?:\d{1,10}|"(?:[^"\\]|\\.)*")\])?'
_MODULES = rf"(?:module\.{_NAME}{_INDEX}\.)*"
_RESOURCE = re.compile(rf"{_MODULES}(?!module\.)(?P<data>data\.)?{_NAME}\.{_NAME}{_INDEX}")
_MODULE = re.compile(rf"{_MODULES}module\.{_NAME}{_INDEX}")


@dataclass(frozen=True)
class Modes:
    """How the plan is made; the names are those of HashiCorp's runs API.

    Without `refresh`, Terraform takes the state for the truth. Only the API asks for that.
    """

    destroy: bool = False
    refresh_only: bool = False
    replace_addrs: tuple[str, ...] = ()
    target_addrs: tuple[str, ...] = ()
    refresh: bool = True

    def __bool__(self) -> bool:
        return self != Modes()

    @property
    def used(self) -> tuple[Mode, ...]:
        """Which modes are asked for."""
        asked = {
            Mode.DESTROY: self.destroy,
            Mode.REFRESH_ONLY: self.refresh_only,
            Mode.REPLACE: bool(self.replace_addrs),
            Mode.TARGET: bool(self.target_addrs),
        }
        return tuple(mode for mode, wanted in asked.items() if wanted)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags as a person would write them."""
        plain = [f"-{mode.value}" for mode in self.used if mode in (Mode.DESTROY, Mode.REFRESH_ONLY)]
        plain += [] if self.refresh else ["-refresh=false"]
        replaced = [f"-replace={address}" for address in self.replace_addrs]
        return (*plain, *replaced, *(f"-target={address}" for address in self.target_addrs))

    def __str__(self) -> str:
        return " ".join(self.flags)


NORMAL = Modes()


def make_modes(
    *,
    destroy: bool = False,
    refresh_only: bool = False,
    replace: Iterable[str] = (),
    target: Iterable[str] = (),
    refresh: bool = True,
) -> Modes:
    """Return checked modes. Raises Invalid: which address is none, which modes exclude each other."""
    replaced = tuple(dict.fromkeys(_address(text, Mode.REPLACE) for text in replace))
    targets = tuple(dict.fromkeys(_address(text, Mode.TARGET) for text in target))
    if len(replaced) + len(targets) > MOST_ADDRESSES:
        raise Invalid(f"a plan takes {MOST_ADDRESSES} addresses at most")
    if destroy and refresh_only:
        raise Invalid("-destroy and -refresh-only exclude each other")
    if replaced and (destroy or refresh_only):
        other = "-destroy" if destroy else "-refresh-only"
        raise Invalid(f"-replace and {other} exclude each other: Terraform replaces in normal plans only")
    if refresh_only and not refresh:
        raise Invalid("-refresh-only and -refresh=false exclude each other")
    return Modes(destroy, refresh_only, replaced, targets, refresh)


def why_not_allowed(modes: Modes, allowed: Sequence[Mode], workspace: str) -> str:
    """Say which modes a workspace does not allow, and the setting for it. Empty if it allows them."""
    refused = [mode for mode in modes.used if mode not in allowed]
    if not refused:
        return ""
    flags = " and ".join(f"-{mode.value}" for mode in refused)
    here = ", ".join(f"-{mode.value}" for mode in allowed) or "none"
    return (
        f"{flags} is not allowed in workspace {workspace} (allowed: {here}); "
        "allowed_modes in plangate.yml says what is"
    )


def _address(text: str, mode: Mode) -> str:
    address = text.strip()
    shown = address if len(address) <= 100 else address[:99] + "…"
    if not address:
        raise Invalid(f"-{mode.value} needs an address: -{mode.value}=aws_instance.web")
    if len(address) > LONGEST_ADDRESS or not address.isprintable():
        raise Invalid(f"-{mode.value}: {shown!r} is not a resource address")
    found = _RESOURCE.fullmatch(address)
    if found and not (mode is Mode.REPLACE and found["data"]):
        return address
    if mode is Mode.TARGET and _MODULE.fullmatch(address):
        return address
    wanted = "a resource" if mode is Mode.REPLACE else "a resource or a module"
    raise Invalid(
        f"-{mode.value}: `{shown}` is not the address of {wanted}, "
        'such as aws_instance.web or module.app.aws_instance.web["blue"]'
    )
