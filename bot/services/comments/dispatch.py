"""Commands in comments: checks the person, finds the workspaces, and carries out or refuses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from bot.domain.changes.decisions import StartRun, decide_change
from bot.domain.changes.delivery_decisions import BY_BOT, NO_COMMAND, DecisionKind
from bot.domain.changes.requirements import Facts
from bot.domain.commands.grammar import (
    MOST_COMMANDS,
    USAGES,
    CommentCommand,
    Verb,
    near_misses,
    parse_commands,
)
from bot.domain.commands.targets import coded, find_targets
from bot.domain.events import Change, CommentAdded
from bot.domain.people.accounts import Account
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Action, Person, Role, refusal
from bot.domain.policies.owners import NO_TEAMS
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.requirements import RequirementChecker
from bot.services.changes.change_log import ChangeFacts, ChangeLog
from bot.services.comments.answer import DELAYED, CommentAnswer, posts_of, seen
from bot.services.comments.apply import ApplyComments
from bot.services.comments.audit import note, note_unheard
from bot.services.comments.override import OverrideComments
from bot.services.comments.run_commands import RunComments
from bot.services.comments.standing import DELETED, StandingComments
from bot.services.comments.why import WhyComments
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.wake import Wake
from bot.services.people.roles import Roles
from bot.services.policies.set_changes import PolicyChanges
from bot.services.ports import ChangeRecord, Clock, Delivery, Forge, Limits, Store, Transaction
from bot.services.reports.posts import MARKER_PREFIX, PostBuilder
from bot.services.runs.transitions import Transitions

_TOO_MANY = f"only the first {MOST_COMMANDS} commands of a comment are carried out"
_HEARD = "this comment was handled before, by another delivery"
LATEST = timedelta(hours=1)
_TOO_LATE = "your comment reached Plangate more than an hour after you wrote it: comment again"


class Comments:
    """Handles a comment on a change."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        ledger: Ledger,
        change_log: ChangeLog,
        post_builder: PostBuilder,
        transitions: Transitions,
        applies: ApplyComments,
        overrides: OverrideComments,
        controls: RunComments,
        whys: WhyComments,
        requirement_checker: RequirementChecker,
        policy_changes: PolicyChanges,
        roles: Roles,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._around = limits.shown_for
        self._standing = StandingComments(store, clock, forges)
        self._policy_changes = policy_changes
        self._roles = roles
        self._clock = clock
        self._whys = whys
        self._requirement_checker = requirement_checker
        self._store = store
        self._forges = forges
        self._ledger = ledger
        self._change_log = change_log
        self._post_builder = post_builder
        self._transitions = transitions
        self._applies = applies
        self._overrides = overrides
        self._controls = controls

    def handle(self, event: CommentAdded, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Carry out a comment's commands, or note in the result why there is nothing to do.

        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        commands, almost = parse_commands(event.body), near_misses(event.body)
        # With a personal token, the bot writes as that person. Its own comments are found by their marker.
        by_bot = event.author_is_bot or MARKER_PREFIX in event.body
        if by_bot or not (commands or almost):
            why = BY_BOT if by_bot else NO_COMMAND
            return self._ledger.nothing(delivery.id, outcome, why)
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
            heard = tx.heard.has(event.repo, event.comment_id)
        if heard:
            return self._ledger.nothing(delivery.id, outcome, _HEARD)
        if not configured and not self._change_log.watches(event.repo):
            return self._ledger.nothing(
                delivery.id, outcome, f"no workspace is configured for {event.repo.path}"
            )
        person = self._person(event)
        teams = NO_TEAMS
        if any(command.verb is Verb.OVERRIDE for command in commands):
            teams = self._overrides.teams(event.repo, configured, person)
        owner = self._overrides.owns_any(event.repo, configured, person, teams)
        if why := _unheard(person, commands, [verb for _, verb in almost], owner=owner):
            # No reaction and no answer: a stranger can't make the bot write.
            with self._store.transaction() as tx:
                tx.heard.add(event.repo, event.comment_id, self._clock.now())
                note_unheard(tx, self._clock, person, commands[:MOST_COMMANDS], why)
            return self._ledger.nothing(delivery.id, outcome, why)
        written_at = self._standing.written_at(event)
        taken_back = self._standing.why_not(event, written_at, delivery, commands)
        if taken_back == DELETED:
            return self._ledger.nothing(delivery.id, outcome, taken_back)
        welcome = any(_may_say(person, c.verb) for c in commands)
        waited = delivery.error.startswith(DELAYED)
        answer = CommentAnswer(
            delivery.received_at,
            written_at,
            welcome=welcome,
            teams=teams,
            waited=waited,
            taken_back=taken_back,
        )
        return self._answered(event, delivery, commands, almost, person, configured, answer, outcome)

    def _answered(
        self,
        event: CommentAdded,
        delivery: Delivery,
        commands: Sequence[CommentCommand],
        almost: Sequence[tuple[str, Verb]],
        person: Person,
        configured: Sequence[Workspace],
        answer: CommentAnswer,
        outcome: DeliveryResult,
    ) -> None:
        """Look at the change, then carry out or refuse, and answer, in one transaction."""
        forge = self._forges[event.repo.forge]
        if answer.welcome:
            self._react_at_once(event, delivery)
        looked_at = self._clock.now()
        # The comment names no commit, so the change is fetched, and its head is used for everything below.
        change = forge.change(event.repo, event.number)
        sight = self._change_log.look(change)
        answer.files = sight.files
        answer.facts = self._facts(commands, person, change, sight, configured)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return None
            if not tx.heard.add(event.repo, event.comment_id, self._clock.now()):
                outcome.say(DecisionKind.NOTHING, _HEARD)
                return self._ledger.done(tx, delivery.id, outcome)
            record = self._change_log.keep(tx, change, sight, looked_at).record
            too_late = _TOO_LATE if answer.asked_at - answer.written_at > LATEST else ""
            if why := answer.taken_back or too_late:
                for command in commands[:MOST_COMMANDS]:
                    answer.refuse(outcome, str(command), why)
            else:
                self._carry_out_all(tx, commands, person, record, answer, outcome)
            for written, verb in almost:
                if _may_say(person, verb):
                    answer.refuse(outcome, written, f"did you mean `/{verb.value}`?")
            posts = posts_of(self._post_builder, event, record, answer, forge.comment_limit)
            tx.posts.derived(record.id, tx.posts.due_mark(record.id), posts)
            self._transitions.report(tx, record.id, outcome.wake)
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _carry_out_all(
        self,
        tx: Transaction,
        commands: Sequence[CommentCommand],
        person: Person,
        record: ChangeRecord,
        answer: CommentAnswer,
        outcome: DeliveryResult,
    ) -> None:
        for command in commands[:MOST_COMMANDS]:
            said = len(outcome.decisions)
            self._carry_out(tx, command, person, record, answer, outcome)
            note(tx, self._clock, person, command, outcome.decisions[said:])
        if len(commands) > MOST_COMMANDS:
            answer.refuse(outcome, str(commands[MOST_COMMANDS]), _TOO_MANY)

    def _person(self, event: CommentAdded) -> Person:
        """Return the author of the comment, with their current role."""
        forge, where = event.repo.forge, f"{event.repo.path}#{event.number}"
        role = self._roles.ask(Account(forge, event.author, event.author_id), event.repo)
        return Person(event.author, role, Origin(Via.COMMENT, forge, where, uid=event.author_id))

    def _facts(
        self,
        commands: Sequence[CommentCommand],
        person: Person,
        change: Change,
        sight: ChangeFacts,
        configured: Sequence[Workspace],
    ) -> Facts | None:
        """Fetch the facts for requirements, before the transaction, if the comment asks for an apply or why.

        People who may only read can't make us ask the forge about every reviewer.
        """
        asks = {command.verb for command in commands}
        wants_why = Verb.WHY in asks and person.may(Action.PLAN)
        if not wants_why and not (Verb.APPLY in asks and person.may(Action.CONFIRM)):
            return None
        # Only selects what to fetch. The transaction decides what is done.
        decisions = decide_change(change, [*configured, *(sight.found or ())], sight.files)
        return self._requirement_checker.facts(
            change, [d.workspace for d in decisions if isinstance(d, StartRun)]
        )

    def _react_at_once(self, event: CommentAdded, delivery: Delivery) -> None:
        """React to the comment before it is handled."""
        wake = Wake()
        with self._store.transaction() as tx:
            record = tx.changes.numbered(event.repo, event.number)
            if record is None or not self._ledger.is_due(tx, delivery.id):
                return
            tx.posts.derived(
                record.id, tx.posts.due_mark(record.id), [seen(self._post_builder, event, record.id)]
            )
            self._transitions.report(tx, record.id, wake)
        self._transitions.wake(wake)

    def _carry_out(
        self,
        tx: Transaction,
        command: CommentCommand,
        person: Person,
        record: ChangeRecord,
        answer: CommentAnswer,
        outcome: DeliveryResult,
    ) -> None:
        change = record.change
        if command.verb is Verb.OVERRIDE:
            # Owners of policy sets may override, whatever their role in the repository.
            refusals = self._overrides.carry_out(tx, command.text, person, record, outcome, answer.teams)
            answer.refusals.extend(refusals)
            answer.done += not refusals
            return
        needs = _needs(command.verb, change)
        if not person.may(needs):
            # Always the same words, and no mention: a stranger can't make the bot notify people.
            return answer.forbid(outcome, str(command), refusal(person, needs))
        if command.problem:
            return answer.refuse(outcome, str(command), command.problem)
        if command.verb is Verb.WHY:
            return self._whys.carry_out(tx, command, record, answer, outcome)
        if command.verb is Verb.HELP:
            answer.help = True
            answer.done += 1
            return outcome.say(DecisionKind.HELP, f"/help by {person.login}")
        # A change of a policy set is replayed. If it touches no workspace, that is all.
        if (
            command.verb is Verb.PLAN
            and not command.named
            and self._policy_changes.asked(tx, record, answer.files, person.login, outcome)
        ):
            answer.done += 1
            if not record.workspace_ids:
                return None
        touched = [tx.workspaces.get(workspace_id) for workspace_id in record.workspace_ids]
        exact = coded(command, touched)
        if exact.problem:
            return answer.refuse(outcome, str(command), exact.problem)
        command = exact.command
        if command.verb is Verb.PLAN and (why := self._why_not_planned(record, exact.commit, answer)):
            return answer.refuse(outcome, str(command), why)
        targets = self._targets(touched, command, answer, outcome)
        if command.verb is Verb.APPLY:
            if exact.codes and not command.named:
                targets = [workspace for workspace in targets if workspace.id in exact.codes]
            self._applies.carry_out(tx, targets, person, record, answer, outcome, exact)
        else:
            self._controls.carry_out(tx, command, targets, person, change, answer, outcome)

    def _why_not_planned(self, record: ChangeRecord, commit: str, answer: CommentAnswer) -> str:
        """Say why `/plan` does not mean the latest commit: for a fork's code, what somebody has looked at.

        A commit that was pushed around the time of the comment may not be what its author saw (promise 5).
        """
        change, head_at = record.change, record.head_at
        if commit:
            return (
                "" if change.head_sha.startswith(commit) else f"the latest commit is {change.head_sha[:10]}"
            )
        if not change.from_fork or (head_at is not None and answer.written_at - head_at >= self._around):
            return ""
        short = change.head_sha[:10]
        return f"{short} was pushed around the time of your comment: look at it, and comment `/plan {short}`"

    @staticmethod
    def _targets(
        touched: Sequence[Workspace], command: CommentCommand, answer: CommentAnswer, outcome: DeliveryResult
    ) -> Sequence[Workspace]:
        if not touched:
            answer.refuse(outcome, str(command), "this change touches no workspace")
        chosen, unknown = find_targets(command, touched)
        known = ", ".join(workspace.name for workspace in touched) or "none"
        for word in unknown:
            where = "in that directory" if word.startswith("-d ") else "of that name"
            why = f"this change touches no workspace {where}; it touches: {known}"
            answer.refuse(outcome, word, why, word)
        return chosen


def _unheard(
    person: Person, commands: Sequence[CommentCommand], almost: Sequence[Verb], *, owner: bool
) -> str:
    """Say why the comment gets no answer, empty if it gets one. `owner`: of a policy set."""
    overrides = any(command.verb is Verb.OVERRIDE for command in commands)
    if person.role is Role.NONE and not (overrides and owner):
        return f"{person.login} has no access to this repository, so it gets no answer"
    if not commands and not any(_may_say(person, verb) for verb in almost):
        return NO_COMMAND
    return ""


def _needs(verb: Verb, change: Change) -> Action:
    # Promise 5: code from a fork is planned only if a person with write access says so.
    planning = verb in (Verb.PLAN, Verb.RETRY)
    return Action.CONFIRM if planning and change.from_fork else USAGES[verb].needs


def _may_say(person: Person, verb: Verb) -> bool:
    """Whether the person may use such a command."""
    # Overrides are for the owners of policy sets, whatever their role in the repository.
    return verb is Verb.OVERRIDE or person.may(USAGES[verb].needs)
