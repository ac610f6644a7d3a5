"""Who owns this Plangate: logins on its forges, from the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.config.problems import Problems, did_you_mean, shown
from bot.config.settings import Environment
from bot.domain.people.accounts import Account
from bot.services.ports import ForgeConfig

SETTING = "PLANGATE_OWNERS"
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def read_owners(
    environment: Environment, forges: Sequence[ForgeConfig], problems: Problems
) -> tuple[Account, ...]:
    """Return the owners' accounts; a login on its own is one on the only forge that there is."""
    found = []
    names = [forge.name for forge in forges]
    for word in environment.text(SETTING).replace(",", " ").split():
        forge, colon, login = word.rpartition(":")
        if not _LOGIN.fullmatch(login):
            problems.add(SETTING, f"{shown(word)} is not a valid login: write it as `ana` or `github:ana`")
        elif colon and names and forge not in names:
            problems.add(SETTING, f"{shown(word)}: there is no such forge; {did_you_mean(forge, names)}")
        elif not colon and len(names) > 1:
            problems.add(
                SETTING,
                f"{shown(word)} may be somebody else on each forge: name it, such as `{names[0]}:{word}`",
            )
        elif names:
            found.append(Account(forge or names[0], login))
    return tuple(found)
