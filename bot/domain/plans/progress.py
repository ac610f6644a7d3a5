"""How far an apply has come, read from what Terraform says of each resource.

The lines are Terraform's own for people (`aws_vpc.main: Creation complete after 2s [id=...]`), the same in
OpenTofu and over many versions; a version that said it otherwise would leave the bar if it is, no more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.domain.plans.plan import Counts

_DONE = re.compile(r"^(\S.*?): (?:Creation|Modifications|Destruction|Import) complete\b")
_BEGUN = re.compile(r"^(\S.*?): (?:Creating|Modifying|Destroying|Importing)\.\.\.")
# What a provisioner's program says stands behind the resource's name and could say anything.
_FOREIGN = re.compile(r" \((?:local|remote)-exec\)")


@dataclass(frozen=True)
class Progress:
    """How many steps of an apply are done, out of all, and which resources are being worked on."""

    done: int
    total: int
    under_way: tuple[str, ...] = ()

    @property
    def percent(self) -> int:
        """How much of it is done, from 0 to 100."""
        return self.done * 100 // self.total if self.total else 0


class ApplyReader:
    """Reads an apply's output, piece by piece, each of whole lines."""

    def __init__(self, counts: Counts | None) -> None:
        counts = counts or Counts()
        # A replacement is counted as one to add and one to destroy, and is told of as two.
        self._total = counts.add + counts.change + counts.destroy + counts.imports
        self._done = 0
        self._under_way: dict[str, None] = {}

    def feed(self, text: str) -> None:
        """Read more of the output."""
        for line in text.split("\n"):
            if found := _DONE.match(line):
                if not _FOREIGN.search(found[1]):
                    self._done += 1
                    self._under_way.pop(found[1], None)
            elif (found := _BEGUN.match(line)) and not _FOREIGN.search(found[1]):
                self._under_way[found[1]] = None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(min(self._done, self._total), self._total, tuple(self._under_way))
