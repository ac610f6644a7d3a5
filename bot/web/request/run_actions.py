"""What people do to runs on the pages and through the API, as a protocol."""

from __future__ import annotations

from typing import Protocol

from bot.domain.people.permissions import Person
from bot.domain.runs.run import Run
from bot.services.ports import Transaction


class RunActions(Protocol):
    """What people do to runs. Each raises Forbidden, IllegalMove, Invalid, NotFound, Conflict."""

    def confirm(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Let a run apply its plan."""
        ...

    def discard(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Discard a run that waits for a decision."""
        ...

    def cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Stop a run."""
        ...

    def force_cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Kill a run that a cancel did not end within the cool-off."""
        ...

    def override(self, run_id: str, person: Person, comment: str = "", policy: str = "") -> Run:
        """Override the failed policies of a run; the comment is the reason."""
        ...

    def may_override(self, run_id: str, person: Person) -> bool:
        """Whether the run waits for an override that this person may give."""
        ...

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Say who may override what holds the run."""
        ...

    def comment(self, run_id: str, person: Person, text: str) -> Run:
        """Add a person's comment to the run's timeline."""
        ...

    def retry(self, run_id: str, person: Person, comment: str = "", as_id: str = "") -> Run:
        """Create a run on the same commit; with the same `as_id` only once."""
        ...
