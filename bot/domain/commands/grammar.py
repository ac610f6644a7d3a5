"""The grammar of comment commands: the first word of a line, outside code fences and quotes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.commands.flags import parse_arguments, split_words
from bot.domain.errors import Invalid
from bot.domain.people.permissions import Action
from bot.domain.plans.modes import NORMAL, Modes


class Verb(StrEnum):
    """The commands of comments."""

    PLAN = "plan"
    APPLY = "apply"
    DISCARD = "discard"
    CANCEL = "cancel"
    OVERRIDE = "override"
    LOCK = "lock"
    UNLOCK = "unlock"
    RETRY = "retry"
    WHY = "why"
    HELP = "help"


@dataclass(frozen=True)
class Usage:
    """The form of a command, the action whose role it needs, and its description."""

    form: str
    needs: Action
    does: str


_WHERE = "[workspace ...]"
# The table that `/help` answers with. docs/reference/comments.md has a longer one.
USAGES: dict[Verb, Usage] = {
    Verb.PLAN: Usage(
        f"/plan {_WHERE}",
        Action.PLAN,
        "plans the latest commit again; with a commit (`/plan 1b77cbb`), only if it is the latest; "
        "flags: `-destroy`, `-refresh-only`, `-replace=...`, `-target=...`",
    ),
    Verb.APPLY: Usage(
        f"/apply {_WHERE}",
        Action.CONFIRM,
        "applies the plans that the comment shows; with a plan code after the name, only that plan; "
        "`-ignore-freeze reason` at the end: also during a freeze",
    ),
    Verb.DISCARD: Usage(
        f"/discard {_WHERE} [because ...]",
        Action.DISCARD,
        "discards a waiting run; the next run starts",
    ),
    Verb.CANCEL: Usage(f"/cancel {_WHERE} [because ...]", Action.CANCEL, "stops running plans and applies"),
    Verb.OVERRIDE: Usage(
        "/override [workspace] [policy] reason",
        Action.OVERRIDE_POLICY,
        "overrides failed soft-mandatory policies for this run",
    ),
    Verb.LOCK: Usage(
        f"/lock {_WHERE} [because ...]", Action.LOCK, "locks workspaces: new runs wait; previews still run"
    ),
    Verb.UNLOCK: Usage(
        f"/unlock [-force] {_WHERE}",
        Action.LOCK,
        "unlocks workspaces; another person's lock only by an administrator, with `-force`",
    ),
    Verb.RETRY: Usage(f"/retry {_WHERE}", Action.RETRY, "starts the latest run again, on the same commit"),
    Verb.WHY: Usage(
        f"/why {_WHERE}", Action.SEE, "says why workspaces ran or did not, and what an apply still needs"
    ),
    Verb.HELP: Usage("/help", Action.SEE, "shows this table"),
}

# So that one comment can't keep a worker busy for long.
MOST_COMMANDS = 20


@dataclass(frozen=True)
class CommentCommand:
    """One command of a comment. Without `targets` and `directories`: every workspace of the change.

    `targets` are names or globs of workspaces. `text` has the arguments of `/override` (perhaps a
    workspace, perhaps a policy, and the reason), or the reason after `because`. `problem` says what
    is wrong with the arguments: then the command is not carried out. `ignore_freeze` is the reason to apply
    during a freeze.
    """

    verb: Verb
    targets: tuple[str, ...] = ()
    modes: Modes = NORMAL
    problem: str = ""
    text: str = ""
    directories: tuple[str, ...] = ()
    force: bool = False
    ignore_freeze: str = ""

    def __str__(self) -> str:
        flags = [*(f"-d {directory}" for directory in self.directories), *(["-force"] if self.force else [])]
        reason = self.text.split()
        if reason and self.verb is not Verb.OVERRIDE:
            reason = ["because", *reason]
        ignoring = ["-ignore-freeze", self.ignore_freeze] if self.ignore_freeze else []
        return " ".join([f"/{self.verb.value}", *self.modes.flags, *flags, *self.targets, *reason, *ignoring])

    @property
    def named(self) -> bool:
        """Whether it names workspaces."""
        return bool(self.targets or self.directories)


# As in Markdown: other line ends of Unicode do not start a line.
_LINE_END = re.compile(r"\r\n|\r|\n")
# Three backticks with another one after them are inline code, not a fence.
_FENCE = re.compile(r"^ {0,3}(`{3,}(?![^`]*`)|~{3,})")
# GitLab has its own `/lock` and `/unlock`: after `/plangate` all commands are ours on every forge.
_COMMAND = re.compile(r"^/(?:plangate[ \t]+)?([a-z]+)(?:[ \t]+(.*))?$")
_ALMOST = re.compile(r"^/(?:plangate[ \t]+)?([A-Za-z]{2,12})[.,:;!]?(?:[ \t].*)?$")
_REASON = re.compile(r"(?:^|\s)because(?:\s|$)")
_VERBS = {verb.value: verb for verb in Verb}
_IGNORING = re.compile(r"(?:^|\s)--?ignore-freeze(?:\s|$)")
_WITH_REASON = (Verb.DISCARD, Verb.CANCEL, Verb.LOCK)
_NEAR = 0.75


def parse_commands(body: str) -> tuple[CommentCommand, ...]:
    """Return the commands of a comment, in order, each once.

    A line in a fence, a quote, an HTML comment or indented code is not a command. Unknown slash words
    are ignored, because they may belong to another bot.
    """
    found: list[CommentCommand] = []
    for line in _spoken(body):
        match = _COMMAND.match(line)
        if match and match.group(1) in _VERBS:
            command = _command(_VERBS[match.group(1)], match.group(2) or "")
            if command not in found:
                found.append(command)
    return tuple(found)


def near_misses(body: str) -> tuple[tuple[str, Verb], ...]:
    """Return the slash words that are almost commands, each once, with the command that may be meant."""
    found: dict[str, Verb] = {}
    for line in _spoken(body):
        match = _ALMOST.match(line)
        if match is None or (match.group(1) in _VERBS and _COMMAND.match(line)):
            continue
        if near := difflib.get_close_matches(match.group(1).lower(), _VERBS, n=1, cutoff=_NEAR):
            found.setdefault(f"/{match.group(1)}", _VERBS[near[0]])
    return tuple(found.items())


def _spoken(body: str) -> Iterator[str]:
    """Yield the lines that a reader sees as text: not those in a fence or in an HTML comment."""
    fence, hidden = "", False
    for raw in _LINE_END.split(body):
        line = raw.rstrip()
        if hidden:
            hidden = "-->" not in line or _hides(line)
            continue
        if match := _FENCE.match(line):
            mark = match.group(1)
            if not fence:
                fence = mark
            elif mark[0] == fence[0] and len(mark) >= len(fence) and line.strip() == mark:
                fence = ""
            continue
        if not fence:
            hidden = _hides(line)
            yield line


def _hides(line: str) -> bool:
    """Whether an HTML comment starts in the line and continues after it: readers don't see its text."""
    return line.rfind("<!--") > line.rfind("-->")


def _command(verb: Verb, rest: str) -> CommentCommand:
    if verb is Verb.OVERRIDE:
        return CommentCommand(verb, text=rest.strip())
    reason = ignoring = ""
    if verb is Verb.APPLY and (found := _IGNORING.search(rest)):
        rest, ignoring = rest[: found.start()], " ".join(rest[found.end() :].split())
        ignoring = ignoring.removeprefix("because").strip()
        if not ignoring:
            return CommentCommand(
                verb, problem="-ignore-freeze needs a reason: -ignore-freeze the site is down"
            )
    if verb in _WITH_REASON and (said := _REASON.search(rest)):
        rest, reason = rest[: said.start()], " ".join(rest[said.end() :].split())
    try:
        words, directories, force = _where(list(split_words(rest)), verb)
        read = parse_arguments(words)
    except Invalid as error:
        return CommentCommand(verb, problem=str(error))
    if read.modes and verb is not Verb.PLAN:
        what = "applies what the plan shows, flags and all" if verb is Verb.APPLY else "takes none"
        return CommentCommand(verb, problem=f"flags belong to /plan: /{verb.value} {what}")
    return CommentCommand(verb, read.names, read.modes, "", reason, directories, force, ignoring)


def _where(words: list[str], verb: Verb) -> tuple[list[str], tuple[str, ...], bool]:
    """Remove `-d directory` and `-force` from the words. Raises Invalid."""
    rest: list[str] = []
    directories: list[str] = []
    force = False
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if flag in ("-d", "--d", "-dir", "--dir"):
            if not equals and (not words or words[0].startswith("-")):
                raise Invalid(f"{flag} needs a directory: {flag} envs/prod")
            directories.append((value if equals else words.pop(0)).removeprefix("./").strip("/") or ".")
        elif word in ("-force", "--force") and verb is Verb.UNLOCK:
            force = True
        else:
            rest.append(word)
    return rest, tuple(dict.fromkeys(directories)), force
