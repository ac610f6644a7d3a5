"""Accounts: a login on one forge, or the local administrator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """An account: the forge's name in the configuration, and the login and number there.

    Without a forge it is the local administrator. The same login on two forges is two people.
    """

    forge: str
    login: str
    uid: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The key that identifies the account: forges ignore the case of logins."""
        return self.forge, self.login.casefold()

    @property
    def local(self) -> bool:
        """Whether it is the local administrator."""
        return not self.forge

    def __str__(self) -> str:
        return f"{self.login} on {self.forge}" if self.forge else self.login
