"""Changes of the repositories that policy sets are fetched from: which are to be tried on stored plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.events import ChangedFiles, RepoRef
from bot.domain.ids import new_id
from bot.domain.policy_sets import PolicySet
from bot.domain.replays import FORK_WORDS, Replay, ReplayState, changed_sets
from bot.services.outcome import Outcome
from bot.services.ports import ChangeRecord, Clock, Transaction


class PolicyChanges:
    """Notes what is to be tried, within the transaction that handles the change. Nothing where it is off."""

    def __init__(self, clock: Clock, sets: Sequence[PolicySet], *, on: bool = True) -> None:
        self._clock = clock
        self._sets = [each for each in sets if each.origin.repo is not None] if on else []

    def concern(self, repo: RepoRef) -> bool:
        """Whether a policy set is fetched from the repository."""
        return any(each.origin.repo == repo for each in self._sets)

    def noted(self, tx: Transaction, record: ChangeRecord, files: ChangedFiles, outcome: Outcome) -> None:
        """Note for a change's latest commit which sets it is to be tried for.

        What comes from a fork waits for somebody with write access (promise 5).
        """
        touched = ReplayState.HELD if record.change.from_fork else ReplayState.WANTED
        for name, is_touched in changed_sets(record.change, self._sets, files).items():
            wanted = self._new(record, name, touched if is_touched else ReplayState.UNTOUCHED)
            kept = tx.replays.add(wanted)
            if is_touched and kept.state is ReplayState.UNTOUCHED:
                # The forge's list of files was another one before, as when the branch has moved.
                kept = wanted = replace(wanted, id=kept.id)
                tx.replays.save(kept)
            if kept.state is ReplayState.HELD:
                outcome.say("nothing", f"policy set {name}: {FORK_WORDS[0].lower()}{FORK_WORDS[1:]}")
            elif kept.id == wanted.id and kept.state is ReplayState.WANTED:
                outcome.say("replay", f"the change touches the policy set {name}")
                outcome.wake.replays.append(kept.id)

    def asked(
        self, tx: Transaction, record: ChangeRecord, files: ChangedFiles, by: str, outcome: Outcome
    ) -> bool:
        """Have a change tried (again) because somebody who may have it planned asks; False where no set is
        touched.
        """
        found = False
        for name, is_touched in changed_sets(record.change, self._sets, files).items():
            if not is_touched:
                continue
            found = True
            kept = tx.replays.add(self._new(record, name, ReplayState.WANTED))
            # One that waits for its turn is not asked for twice.
            if kept.state is not ReplayState.WANTED or kept.why:
                fresh = self._new(record, name, ReplayState.WANTED)
                kept = replace(fresh, id=kept.id)
                tx.replays.save(kept)
            outcome.say("replay", f"the policy set {name} is tried: /plan by {by}")
            outcome.wake.replays.append(kept.id)
        return found

    def _new(self, record: ChangeRecord, name: str, state: ReplayState) -> Replay:
        now = self._clock.now()
        return Replay(new_id("polrep"), record.id, name, record.change.head_sha, state, now)
