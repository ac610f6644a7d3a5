"""Commands in comments: who asks, for which workspaces, what follows; or a short refusal that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.accounts import Account
from bot.domain.commands import MOST_COMMANDS, USAGES, Command, Verb, near_misses, parse_commands
from bot.domain.decisions import Start, decide_change
from bot.domain.events import Change, CommentAdded
from bot.domain.origins import Origin, Via
from bot.domain.permissions import Action, Person, Role, refusal
from bot.domain.policy_owners import NO_TEAMS
from bot.domain.requirements import Facts
from bot.domain.targets import meant
from bot.domain.workspace import Workspace
from bot.services.answering import Answer, posts_of, seen
from bot.services.apply_comments import ApplyComments
from bot.services.changes import Changed, Sight
from bot.services.comment_record import note, note_unheard
from bot.services.outcome import Outcome
from bot.services.override_comments import OverrideComments
from bot.services.policy_changes import PolicyChanges
from bot.services.ports import ChangeRecord, Clock, Delivery, Forge, Store, Transaction
from bot.services.posting import MARKER_PREFIX, Posting
from bot.services.requiring import Requiring
from bot.services.rights import Rights
from bot.services.run_comments import RunComments
from bot.services.transitions import Transitions, Wake
from bot.services.why_comments import WhyComments

_TOO_MANY = f"only the first {MOST_COMMANDS} commands of a comment are carried out"
_NO_COMMAND = "the comment has no command for Plangate"


class Comments:
    """Handles a comment on a change."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        changed: Changed,
        posting: Posting,
        transitions: Transitions,
        applies: ApplyComments,
        overrides: OverrideComments,
        controls: RunComments,
        whys: WhyComments,
        requiring: Requiring,
        policy_changes: PolicyChanges,
        rights: Rights,
        clock: Clock,
    ) -> None:
        self._policy_changes = policy_changes
        self._rights = rights
        self._clock = clock
        self._whys = whys
        self._requiring = requiring
        self._store = store
        self._forges = forges
        self._changed = changed
        self._posting = posting
        self._transitions = transitions
        self._applies = applies
        self._overrides = overrides
        self._controls = controls

    def handle(self, event: CommentAdded, delivery: Delivery, outcome: Outcome) -> None:
        """Carry out a comment's commands, or say in the outcome why there is nothing to do.

        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        commands, almost = parse_commands(event.body), near_misses(event.body)
        # With a token the bot writes as a person: its own comments are known by their marker.
        by_bot = event.author_is_bot or MARKER_PREFIX in event.body
        if by_bot or not (commands or almost):
            why = "bots give no commands" if by_bot else _NO_COMMAND
            return self._changed.nothing(delivery.id, outcome, why)
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
        if not configured and not self._changed.watches(event.repo):
            return self._changed.nothing(
                delivery.id, outcome, f"no workspace is configured for {event.repo.path}"
            )
        forge = self._forges[event.repo.forge]
        person = self._person(event)
        teams = NO_TEAMS
        if any(command.verb is Verb.OVERRIDE for command in commands):
            teams = self._overrides.teams(event.repo, configured, person)
        owner = self._overrides.owns_any(event.repo, configured, person, teams)
        if why := _unheard(person, commands, [verb for _, verb in almost], owner=owner):
            # No reaction, no answer: a stranger can't make the bot say anything.
            with self._store.transaction() as tx:
                note_unheard(tx, self._clock, person, commands[:MOST_COMMANDS], why)
            return self._changed.nothing(delivery.id, outcome, why)
        answer = Answer(
            delivery.received_at, welcome=any(_may_say(person, c.verb) for c in commands), teams=teams
        )
        if answer.welcome:
            self._react_at_once(event, delivery)
        looked_at = self._changed.now()
        # The comment names no commit: the change is fetched and its head pinned for all that follows.
        change = forge.change(event.repo, event.number)
        sight = self._changed.look(change)
        answer.files = sight.files
        answer.facts = self._facts(commands, person, change, sight, configured)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return None
            record = self._changed.keep(tx, change, sight, looked_at)
            self._carry_out_all(tx, commands, person, record, answer, outcome)
            for written, verb in almost:
                if _may_say(person, verb):
                    answer.refuse(outcome, written, f"did you mean `/{verb.value}`?")
            posts = posts_of(self._posting, event, record, answer, forge.comment_limit)
            tx.posts.derived(record.id, tx.posts.due_mark(record.id), posts)
            self._transitions.report(tx, record.id, outcome.wake)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _carry_out_all(
        self,
        tx: Transaction,
        commands: Sequence[Command],
        person: Person,
        record: ChangeRecord,
        answer: Answer,
        outcome: Outcome,
    ) -> None:
        for command in commands[:MOST_COMMANDS]:
            said = len(outcome.decisions)
            self._carry_out(tx, command, person, record, answer, outcome)
            note(tx, self._clock, person, command, outcome.decisions[said:])
        if len(commands) > MOST_COMMANDS:
            answer.refuse(outcome, str(commands[MOST_COMMANDS]), _TOO_MANY)

    def _person(self, event: CommentAdded) -> Person:
        """Return who comments, with their role as it is now."""
        forge, where = event.repo.forge, f"{event.repo.path}#{event.number}"
        role = self._rights.ask(Account(forge, event.author), event.repo)
        return Person(event.author, role, Origin(Via.COMMENT, forge, where))

    def _facts(
        self,
        commands: Sequence[Command],
        person: Person,
        change: Change,
        sight: Sight,
        configured: Sequence[Workspace],
    ) -> Facts | None:
        """Find out what an apply needs, before the transaction, where the comment asks for one or why not.

        Of those who may only read, nobody makes us ask the forge about every reviewer.
        """
        asks = {command.verb for command in commands}
        wants_why = Verb.WHY in asks and person.may(Action.PLAN)
        if not wants_why and not (Verb.APPLY in asks and person.may(Action.CONFIRM)):
            return None
        decisions = decide_change(change, [*configured, *(sight.found or ())], sight.files)
        return self._requiring.facts(change, [d.workspace for d in decisions if isinstance(d, Start)])

    def _react_at_once(self, event: CommentAdded, delivery: Delivery) -> None:
        """Say that the comment is being looked at, before what it asks for is looked into."""
        wake = Wake()
        with self._store.transaction() as tx:
            record = tx.changes.numbered(event.repo, event.number)
            if record is None or not self._changed.is_due(tx, delivery.id):
                return
            tx.posts.derived(record.id, tx.posts.due_mark(record.id), [seen(self._posting, event, record.id)])
            self._transitions.report(tx, record.id, wake)
        self._transitions.wake(wake)

    def _carry_out(
        self,
        tx: Transaction,
        command: Command,
        person: Person,
        record: ChangeRecord,
        answer: Answer,
        outcome: Outcome,
    ) -> None:
        change = record.change
        if command.verb is Verb.OVERRIDE:
            # Who may is said by the policy sets' owners, not by roles in the repository.
            refusals = self._overrides.carry_out(tx, command.text, person, record, outcome, answer.teams)
            answer.refusals.extend(refusals)
            answer.done += not refusals
            return
        needs = _needs(command.verb, change)
        if not person.may(needs):
            # The same words everywhere, and no mention: a stranger can't make the bot call people.
            return answer.forbid(outcome, str(command), refusal(person, needs))
        if command.problem:
            return answer.refuse(outcome, str(command), command.problem)
        if command.verb is Verb.WHY:
            return self._whys.carry_out(tx, command, record, answer, outcome)
        if command.verb is Verb.HELP:
            answer.help = True
            answer.done += 1
            return outcome.say("help", f"/help by {person.login}")
        # A change of a policy set is tried as others are planned; where it touches no workspace, that is all.
        if (
            command.verb is Verb.PLAN
            and not command.named
            and self._policy_changes.asked(tx, record, answer.files, person.login, outcome)
        ):
            answer.done += 1
            if not record.workspace_ids:
                return None
        targets = self._targets(tx, command, record, answer, outcome)
        if command.verb is Verb.APPLY:
            facts = answer.facts or Facts(change)
            self._applies.carry_out(tx, targets, person, change, answer, outcome, facts, named=command.named)
        else:
            self._controls.carry_out(tx, command, targets, person, change, answer, outcome)

    def _targets(
        self, tx: Transaction, command: Command, record: ChangeRecord, answer: Answer, outcome: Outcome
    ) -> Sequence[Workspace]:
        touched = [tx.workspaces.get(workspace_id) for workspace_id in record.workspace_ids]
        if not touched:
            answer.refuse(outcome, str(command), "this change touches no workspace")
        chosen, unknown = meant(command, touched)
        known = ", ".join(workspace.name for workspace in touched) or "none"
        for word in unknown:
            where = "in that directory" if word.startswith("-d ") else "of that name"
            why = f"this change touches no workspace {where}; it touches: {known}"
            answer.refuse(outcome, word, why, word)
        return chosen


def _unheard(person: Person, commands: Sequence[Command], almost: Sequence[Verb], *, owner: bool) -> str:
    """Say why the comment gets no answer at all, empty where it gets one. `owner`: of a policy set."""
    overrides = any(command.verb is Verb.OVERRIDE for command in commands)
    if person.role is Role.NONE and not (overrides and owner):
        return f"{person.login} has no access to this repository, so nothing is answered"
    if not commands and not any(_may_say(person, verb) for verb in almost):
        return _NO_COMMAND
    return ""


def _needs(verb: Verb, change: Change) -> Action:
    # Promise 5: what a fork brings is planned only where somebody with write access says so.
    planning = verb in (Verb.PLAN, Verb.RETRY)
    return Action.CONFIRM if planning and change.from_fork else USAGES[verb].needs


def _may_say(person: Person, verb: Verb) -> bool:
    """Whether the person may give such a command at all."""
    # Overrides are for those whom the policy sets name, whatever their role in the repository.
    return verb is Verb.OVERRIDE or person.may(USAGES[verb].needs)
