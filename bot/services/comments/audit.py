"""Writes commands in comments to the audit log, within the transaction of the comment."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.commands.grammar import CommentCommand, Verb
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person
from bot.services.outbox.audit_log import done, refused
from bot.services.ports import Clock, Transaction

# Why and help change nothing.
DEEDS = {
    Verb.PLAN: AuditAction.PLAN,
    Verb.APPLY: AuditAction.APPLY,
    Verb.DISCARD: AuditAction.DISCARD,
    Verb.CANCEL: AuditAction.CANCEL,
    Verb.OVERRIDE: AuditAction.OVERRIDE,
    Verb.LOCK: AuditAction.LOCK,
    Verb.UNLOCK: AuditAction.UNLOCK,
    Verb.RETRY: AuditAction.RETRY,
}
# The services behind these commands write their own lines.
_NOTED = frozenset({Verb.DISCARD, Verb.CANCEL, Verb.LOCK, Verb.UNLOCK, Verb.RETRY})


def note(
    tx: Transaction,
    clock: Clock,
    person: Person,
    command: CommentCommand,
    decisions: Sequence[DeliveryDecision],
) -> None:
    """Add a line for each decision on a command."""
    deed = DEEDS.get(command.verb)
    if deed is None:
        return
    for decision in decisions:
        about = decision.run or decision.workspace or str(command)
        if decision.kind is DecisionKind.REFUSED:
            refused(tx, clock, person, deed, about, decision.reason, str(command))
        elif command.verb not in _NOTED:
            done(tx, clock, person, deed, about, str(command))


def note_unheard(
    tx: Transaction, clock: Clock, person: Person, commands: Sequence[CommentCommand], why: str
) -> None:
    """Add lines for the commands of a person who gets no answer."""
    for command in commands:
        if deed := DEEDS.get(command.verb):
            refused(tx, clock, person, deed, str(command), why)
