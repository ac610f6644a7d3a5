"""The operator at the command line, who has the server's keys and may do anything."""

from __future__ import annotations

import getpass

from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role


def operator() -> Person:
    """Return the operator, named after their account on this machine, for the log and the timelines."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"  # a container's account without a name
    # Not the bare name: a person with this login on the forge could undo the operator's locks.
    return Person(f"cli:{name}", Role.OWNER, Origin(Via.CLI))
