"""Whose account it is: a login on one forge, or the local administrator's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """Somebody's account: the forge's name in the configuration, the login there, and its number there.

    Without a forge it is the local administrator's. The same login on two forges is two people.
    """

    forge: str
    login: str
    uid: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells accounts apart: forges read logins without regard to case."""
        return self.forge, self.login.casefold()

    @property
    def local(self) -> bool:
        """Whether it is the local administrator."""
        return not self.forge

    def __str__(self) -> str:
        return f"{self.login} on {self.forge}" if self.forge else self.login
