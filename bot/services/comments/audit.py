"""Notes what people do by comments, command by command, within the transaction of the comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.audit import Deed
from bot.domain.commands import Command, Verb
from bot.domain.permissions import Person
from bot.services.auditing import done, refused
from bot.services.ports import Clock, Transaction

# Why and help change nothing.
DEEDS = {
    Verb.PLAN: Deed.PLAN,
    Verb.APPLY: Deed.APPLY,
    Verb.DISCARD: Deed.DISCARD,
    Verb.CANCEL: Deed.CANCEL,
    Verb.OVERRIDE: Deed.OVERRIDE,
    Verb.LOCK: Deed.LOCK,
    Verb.UNLOCK: Deed.UNLOCK,
    Verb.RETRY: Deed.RETRY,
}
# Whoever carries these out for pages and comments alike notes by itself what was done.
_NOTED = frozenset({Verb.DISCARD, Verb.CANCEL, Verb.LOCK, Verb.UNLOCK, Verb.RETRY})


def note(
    tx: Transaction, clock: Clock, person: Person, command: Command, decisions: Sequence[Mapping[str, str]]
) -> None:
    """Note what a command led to: a line for each decision."""
    deed = DEEDS.get(command.verb)
    if deed is None:
        return
    for decision in decisions:
        about = decision.get("run") or decision.get("workspace") or str(command)
        if decision["outcome"] == "refused":
            refused(tx, clock, person, deed, about, decision["reason"], str(command))
        elif command.verb not in _NOTED:
            done(tx, clock, person, deed, about, str(command))


def note_unheard(
    tx: Transaction, clock: Clock, person: Person, commands: Sequence[Command], why: str
) -> None:
    """Note the commands of somebody who gets no answer."""
    for command in commands:
        if deed := DEEDS.get(command.verb):
            refused(tx, clock, person, deed, str(command), why)
