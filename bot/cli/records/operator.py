"""Who gives commands at the command line: whoever has the server's keys, and so may do anything."""

from __future__ import annotations

import getpass

from bot.domain.origins import Origin, Via
from bot.domain.permissions import Person, Role


def operator() -> Person:
    """Return the person at the command line, by the name of their account, for the log and the timelines."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"  # a container's account without a name
    # Not the bare name: it could be somebody's login on the forge, who then could undo this person's locks.
    return Person(f"cli:{name}", Role.OWNER, Origin(Via.CLI))
