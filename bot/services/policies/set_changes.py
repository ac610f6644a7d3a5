"""Changes in the repositories that policy sets are fetched from: decides which sets are replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.events import ChangedFiles, RepoRef
from bot.domain.ids import new_id
from bot.domain.policies.sets import PolicySet
from bot.domain.reports.replays import FORK_WORDS, Replay, ReplayState, changed_sets
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import ChangeRecord, Clock, Transaction


class PolicyChanges:
    """Adds replays, within the transaction that handles the change. Does nothing if replay is off."""

    def __init__(self, clock: Clock, sets: Sequence[PolicySet], *, on: bool = True) -> None:
        self._clock = clock
        self._sets = [each for each in sets if each.origin.repo is not None] if on else []

    def concern(self, repo: RepoRef) -> bool:
        """Whether a policy set is fetched from the repository."""
        return any(each.origin.repo == repo for each in self._sets)

    def repos(self) -> frozenset[RepoRef]:
        """Return the repositories that policy sets are fetched from."""
        return frozenset(each.origin.repo for each in self._sets if each.origin.repo is not None)

    def noted(
        self, tx: Transaction, record: ChangeRecord, files: ChangedFiles, outcome: DeliveryResult
    ) -> None:
        """Add a replay of the change's latest commit for each set that it touches.

        A change from a fork waits for a person with write access (promise 5).
        """
        touched = ReplayState.HELD if record.change.from_fork else ReplayState.WANTED
        for name, is_touched in changed_sets(record.change, self._sets, files).items():
            wanted = self._new(record, name, touched if is_touched else ReplayState.UNTOUCHED)
            kept = tx.replays.add(wanted)
            if is_touched and kept.state is ReplayState.UNTOUCHED:
                # The list of files may have changed, for example because the branch moved.
                kept = wanted = replace(wanted, id=kept.id)
                tx.replays.save(kept)
            if kept.state is ReplayState.HELD:
                outcome.say(
                    DecisionKind.NOTHING, f"policy set {name}: {FORK_WORDS[0].lower()}{FORK_WORDS[1:]}"
                )
            elif kept.id == wanted.id and kept.state is ReplayState.WANTED:
                outcome.say(DecisionKind.REPLAY, f"the change touches the policy set {name}")
                outcome.wake.replays.append(kept.id)

    def asked(
        self, tx: Transaction, record: ChangeRecord, files: ChangedFiles, by: str, outcome: DeliveryResult
    ) -> bool:
        """Add the replay of a change because a person with write access asked. False if no set is
        touched.
        """
        found = False
        for name, is_touched in changed_sets(record.change, self._sets, files).items():
            if not is_touched:
                continue
            found = True
            kept = tx.replays.add(self._new(record, name, ReplayState.WANTED))
            # A replay that waits is not added twice.
            if kept.state is not ReplayState.WANTED or kept.why:
                fresh = self._new(record, name, ReplayState.WANTED)
                kept = replace(fresh, id=kept.id)
                tx.replays.save(kept)
            outcome.say(DecisionKind.REPLAY, f"the policy set {name} is replayed: /plan by {by}")
            outcome.wake.replays.append(kept.id)
        return found

    def _new(self, record: ChangeRecord, name: str, state: ReplayState) -> Replay:
        now = self._clock.now()
        return Replay(new_id("polrep"), record.id, name, record.change.head_sha, state, now)
