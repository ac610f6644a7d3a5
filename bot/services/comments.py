"""Commands in comments: who asks, for which workspaces, what follows; or a short refusal that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.commands import Command, Verb, parse_commands
from bot.domain.decisions import ConfirmRun, Refuse, StartApply, decide_apply
from bot.domain.events import Change, CommentAdded
from bot.domain.modes import why_not_allowed
from bot.domain.permissions import Action, Person, refusal
from bot.domain.workspace import Workspace
from bot.services.approving import approve, used
from bot.services.changes import Changed
from bot.services.confirming import confirmed
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.override_comments import OverrideComments
from bot.services.overriding import Overriding
from bot.services.ports import ChangeRecord, Delivery, Forge, Reaction, Store, Transaction
from bot.services.posting import MARKER_PREFIX, Posting
from bot.services.transitions import Transitions


@dataclass
class _Answer:
    """What the comment is answered: refusals, each a workspace (or command) and why.

    `asked_at` is when the comment came: it can only be about what was shown by then.
    """

    asked_at: datetime
    refusals: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0


class Comments:
    """Handles a comment on a change."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        changed: Changed,
        new_runs: NewRuns,
        posting: Posting,
        transitions: Transitions,
        overriding: Overriding,
    ) -> None:
        self._overrides = OverrideComments(transitions, overriding)
        self._store = store
        self._forges = forges
        self._changed = changed
        self._new_runs = new_runs
        self._posting = posting
        self._transitions = transitions

    def handle(self, event: CommentAdded, delivery: Delivery, outcome: Outcome) -> None:
        """Carry out a comment's commands, or say in the outcome why there is nothing to do.

        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        commands = parse_commands(event.body)
        # With a token the bot writes as a person: its own comments are known by their marker.
        by_bot = event.author_is_bot or MARKER_PREFIX in event.body
        if by_bot or not commands:
            why = "bots give no commands" if by_bot else "the comment has no command for Plangate"
            return self._changed.nothing(delivery.id, outcome, why)
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
        if not configured and not self._changed.discovers(event.repo):
            return self._changed.nothing(
                delivery.id, outcome, f"no workspace is configured for {event.repo.path}"
            )
        forge = self._forges[event.repo.forge]
        looked_at = self._changed.now()
        # The comment names no commit: the change is fetched and its head pinned for all that follows.
        change = forge.change(event.repo, event.number)
        person = Person(event.author, forge.role(event.repo, event.author))
        sight = self._changed.look(change)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return None
            self._changed.not_outdated(tx, change, looked_at)
            record = self._changed.keep(tx, change, sight)
            answer = _Answer(asked_at=delivery.received_at)
            for command in commands:
                self._carry_out(tx, command, person, record, answer, outcome)
            self._reply(tx, event, record, answer, forge.comment_limit, outcome)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _carry_out(
        self,
        tx: Transaction,
        command: Command,
        person: Person,
        record: ChangeRecord,
        answer: _Answer,
        outcome: Outcome,
    ) -> None:
        change = record.change
        if command.verb is Verb.OVERRIDE:
            # Who may is said by the policy sets' owners, not by roles in the repository.
            refusals = self._overrides.carry_out(tx, command.text, person, record, outcome)
            answer.refusals.extend(refusals)
            answer.done += not refusals
            return None
        needs = Action.CONFIRM if command.verb is Verb.APPLY or change.from_fork else Action.PLAN
        if not person.may(needs):
            # The same words everywhere, and no mention: a stranger can't make the bot call people.
            answer.refusals.append((str(command), refusal(person, needs)))
            return outcome.say("refused", refusal(person, needs))
        if command.problem:
            answer.refusals.append((str(command), command.problem))
            return outcome.say("refused", command.problem)
        targets = self._targets(tx, command, record, answer, outcome)
        match command.verb:
            case Verb.PLAN:
                for workspace in targets:
                    why = "" if change.open else "the change is closed: there is nothing to plan"
                    why = why or why_not_allowed(command.modes, workspace.allowed_modes, workspace.name)
                    if why:
                        answer.refusals.append((workspace.name, why))
                        outcome.say("refused", why, workspace.name)
                        continue
                    why = " ".join(("/plan", *command.modes.flags, "by", person.login))
                    run = self._new_runs.preview(
                        tx, workspace, change, person.login, why, outcome.wake, command.modes
                    )
                    answer.done += 1
                    outcome.say("preview", why, workspace.name, run.id)
            case Verb.APPLY:
                self._apply(tx, targets, person, change, answer, outcome, named=bool(command.targets))
        return None

    def _targets(
        self, tx: Transaction, command: Command, record: ChangeRecord, answer: _Answer, outcome: Outcome
    ) -> Sequence[Workspace]:
        touched = [tx.workspaces.get(workspace_id) for workspace_id in record.workspace_ids]
        if not touched:
            answer.refusals.append((str(command), "this change touches no workspace"))
            outcome.say("refused", "the change touches no workspace")
        if not command.targets:
            return touched
        by_name = {workspace.name: workspace for workspace in touched}
        known = ", ".join(by_name) or "none"
        for name in command.targets:
            if name not in by_name:
                why = f"this change touches no workspace of that name; it touches: {known}"
                answer.refusals.append((name, why))
                outcome.say("refused", why, name)
        return [by_name[name] for name in dict.fromkeys(command.targets) if name in by_name]

    def _apply(
        self,
        tx: Transaction,
        targets: Sequence[Workspace],
        person: Person,
        change: Change,
        answer: _Answer,
        outcome: Outcome,
        *,
        named: bool,
    ) -> None:
        refused: list[tuple[str, str]] = []
        done = 0
        for workspace in targets:
            runs = self._new_runs.of_change(tx, workspace, change)
            decision = decide_apply(change, runs, answer.asked_at)
            match decision:
                case StartApply(preview):
                    record = approve(tx, preview, person, self._changed.now())
                    run = self._new_runs.of_approval(tx, workspace, change, preview, record, outcome.wake)
                    outcome.say("run", f"/apply by {person.login}", workspace.name, run.id)
                    done += 1
                case ConfirmRun(run):
                    record = approve(tx, run, person, self._changed.now())
                    used(tx, record, run, self._changed.now())
                    for moved, line in confirmed(self._transitions, run, person.login, "/apply"):
                        run = tx.runs.save(replace(moved, version=run.version), line)
                    self._transitions.after(tx, decision.run, run, outcome.wake)
                    outcome.wake.runs.append(run)
                    outcome.say("confirmed", f"/apply by {person.login}", workspace.name, run.id)
                    done += 1
                case Refuse(reason):
                    refused.append((workspace.name, reason))
                    outcome.say("refused", reason, workspace.name)
        answer.done += done
        # `/apply` without names means "all that can be": what can't is only said where nothing could.
        if named or not done:
            answer.refusals.extend(refused)

    def _reply(
        self,
        tx: Transaction,
        event: CommentAdded,
        record: ChangeRecord,
        answer: _Answer,
        limit: int,
        outcome: Outcome,
    ) -> None:
        repo, number, comment_id = event.repo, event.number, event.comment_id
        reaction = Reaction.SEEN if answer.done else Reaction.CONFUSED
        posts = [self._posting.reaction(record.id, repo, number, comment_id, reaction)]
        if answer.refusals:
            posts.append(
                self._posting.refusal(
                    record.id, repo, number, comment_id, event.author, answer.refusals, limit
                )
            )
        tx.posts.derived(record.id, tx.posts.due_mark(record.id), posts)
        self._transitions.report(tx, record.id, outcome.wake)
