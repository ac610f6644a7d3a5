"""Nothing in a comment is a mark but ours, whatever the change's author writes (promise 5).

A comment with hostile text must have the same structure as one with harmless text in its place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport, WhySection
from bot.domain.commands.grammar import parse_commands
from bot.domain.events import RepoRef
from bot.domain.plans.at_apply import AtApply, RunsAtApply
from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow
from bot.domain.plans.forecast import Deed, Forecast
from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.reports.report import ApplyReport, ChangeReport, WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Approval, Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.rendering import Rendering
from bot.rendering.escape import clean, code, fence, html, link, one_line, phrase, plain

URL = "https://plangate.example.com"
AT = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
TEXTS = Rendering(URL)
LIMIT = 65_536
PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
ACTING = re.compile(r"@[\w/]|#\d|://|www\.")
TAGS = re.compile(r"</?(?:details|summary|b|sub)>|<details open>")

HOSTILE = {
    "heading": "# Approved",
    "setext heading": "Approved\n========",
    "rule": "x\n---\ny",
    "command": "/apply",
    "command on a line": "x\n/apply network-prod\ny",
    "command behind odd line ends": "x\r/apply\x0b/apply\x0c/apply\x85/apply\u2028/apply\u2029/apply",
    "mention": "@acme/admins please approve, @ada",
    "escaped mention": "\\@ada",
    "reference": "fixes #1, acme/infra#2, GH-3, !4",
    "link": "[click](https://evil.example)",
    "reference link": "[click][1]\n\n[1]: https://evil.example",
    "image": "![x](https://evil.example/pixel.png)",
    "autolink": "<https://evil.example>",
    "bare address": "https://evil.example and www.evil.example and a@evil.example",
    "javascript": "[x](javascript:alert(1))",
    "tag": "<img src=x onerror=alert(1)>",
    "closing tag": "</details></summary></b></sub>",
    "open tag": "<details><summary>",
    "script": "\n\n<script>alert(1)</script>\n\n",
    "marker": "<!-- plangate:change -->",
    "marker in pieces": "<\x00!\x1b[0m--\u200b plangate -->",
    "comment that swallows": "<!--",
    "entity": "&lt;b&gt; &#60;script&#62; &#x40;ada",
    "fence": "```\n# out\n/apply\n```",
    "long fence": "``````````\n# out\n``````````",
    "tilde fence": "~~~\n# out\n~~~",
    "backtick": "a`b",
    "backticks": "``a`` `b` ```c",
    "only backticks": "````",
    "table": "a | b | c",
    "table row": "x |\n| forged | 🟡 | `+0` | `/apply` |",
    "escaped pipe": "a\\|b\\\\|c\\",
    "backslash": "\\",
    "emphasis": "**bold** __bold__ *i* ~~s~~",
    "list": "- a\n- b\n1. c",
    "quote": "> [!NOTE]\n> all is well",
    "task": "- [x] approved",
    "footnote": "[^1]\n\n[^1]: x",
    "math": "$$x$$ $`x`$",
    "ansi": "\x1b[31mred\x1b[0m \x9b1mx \x1b]8;;https://evil.example\x07x\x1b]8;;\x07",
    "controls": "a\x00b\x08c\x7fd",
    "bidi": "\u202e\u2066evil\u2069\u202c \u061c\u200f",
    "invisible": "a\u200bb\u200dc\ufeffd\U000e0041",
    "surrogate": "a\ud800b",
    "long": "x" * 1500,
    "indented code": "\n\n        # x",
    "jinja": "{{ config }} {% raw %}",
    "nothing": "",
    "blank": " \n \t ",
}


def run(status: RunStatus, **changes: object) -> Run:
    plain_run = Run(
        id="run-1",
        workspace_id="ws-1",
        status=status,
        source=RunSource.CHANGE,
        plan_only=True,
        commit="0123456789",
        branch="main",
        message="m",
        created_by="ada",
        created_at=AT,
        status_at=AT,
        has_changes=True,
    )
    return replace(plain_run, **changes)  # type: ignore[arg-type]


READY = RunStatus.PLANNED_AND_FINISHED


def part(status: RunStatus = READY, name: str = "net", **fields: object) -> WorkspaceSection:
    of = {key: fields.pop(key) for key in ("error", "delta", "plan_only") if key in fields}
    fields["delta"] = fields.pop("delta_rows", ())
    base = WorkspaceSection(
        Workspace("ws-1", name, RepoRef("github", "acme/infra")),
        run(status, **of),
        headline="Ready",
        next_step="/apply net",
        run_url=f"{URL}/runs/run-1",
        resources=(ResourceChange("a.b", ("delete",)),),
        counts=Counts(0, 0, 1),
        plan_text="  - resource",
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def change(*sections: WorkspaceSection, asked: tuple[str, ...] = ()) -> str:
    return TEXTS.change_comment(ChangeReport("0123456789", sections, asked=asked), LIMIT).text


def forecast(**fields: object) -> str:
    return change(part(notes=(replace(Forecast(), **fields).words("#2"),)))  # type: ignore[arg-type]


def placed(directory: str, version: str) -> WorkspaceSection:
    section = part()
    workspace = replace(section.workspace, working_directory=directory)
    return replace(section, workspace=workspace, run=replace(section.run, engine_version=version))


def unchanged(name: str, headline: str) -> WorkspaceSection:
    section = part(name=name, headline=headline, next_step="", resources=(), counts=Counts(), plan_text="")
    return replace(section, run=replace(section.run, has_changes=False))


def outcome(status: RunStatus, name: str = "net", tail: str = "x", **of: object) -> str:
    workspace = Workspace("ws-1", name, RepoRef("github", "acme/infra"))
    return TEXTS.applies_comment(
        [ApplyReport(workspace, run(status, **of), f"{URL}/runs/1", tail)], "", LIMIT
    )


def moved(text: str) -> tuple[ResourceChange, ...]:
    return (ResourceChange("a.b", ("no-op",), previous_address=text),)


def differing(address: str, attribute: str, value: str) -> WorkspaceSection:
    rows = (DeltaRow(DeltaKind.ALTERED, "+", address, (AttributeDelta(attribute, "0", value),)),)
    return part(RunStatus.PLANNED, plan_only=False, delta="+ a.b", delta_rows=rows)


def superseded(name: str) -> str:
    workspace = Workspace("ws-1", name, RepoRef("github", "acme/infra"))
    done = run(RunStatus.APPLIED)
    report = ApplyReport(workspace, done, f"{URL}/runs/1", f"Apply complete! {name}", f"{URL}/runs/2")
    return TEXTS.applies_comment([report], "", LIMIT)


def not_merged(why: str) -> str:
    return TEXTS.change_comment(ChangeReport("abc", (part(),), merging=why), LIMIT).text


def conflict(name: str, *sections: WorkspaceSection) -> str:
    report = ChangeReport("abc", sections, conflict="it has conflicts with main", conflicts=("b.tf", name))
    return TEXTS.change_comment(report, LIMIT).text


def lacks(name: str, *checks: Check) -> str:
    return TEXTS.refusal_comment("ada", [], LIMIT, [(name, checks)])


def why(sentence: str, *checks: Check) -> str:
    part = WhySection("net", True, (sentence, "run-1: Planned"), checks, f"{URL}/runs/run-1")
    return TEXTS.why_comment(WhyReport("0123456789", (part, part)), LIMIT)


def other(sentence: str) -> str:
    return TEXTS.why_comment(WhyReport("abc", (), (WhySection("net", False, (sentence,)),)), LIMIT)


PLACES: dict[str, Callable[[str], str]] = {
    "workspace": lambda text: change(part(name=text), part()),
    "headline": lambda text: change(part(headline=text)),
    "next step": lambda text: change(part(next_step=f"ask {text}")),
    "directory": lambda text: change(placed(f"a{text}", "1.15.5")),
    "engine version": lambda text: change(placed("net", f"1{text}")),
    "workspaces that are alike": lambda text: change(
        *(
            replace(part(name=name, next_step=f"/apply {name} 1a"), likeness="x")
            for name in (text, "a", "b", "c")
        )
    ),
    "directory of one that is alike": lambda text: change(
        *(replace(placed(f"a{text}", "1.15.5"), likeness="x") for _ in range(2))
    ),
    "workspace that requires": lambda text: change(
        part(name=text, requires=("approved:2",), unapproved=True), part()
    ),
    "asked for a review": lambda text: change(
        part(requires=("approved",), unapproved=True), asked=(text, f"acme/{text}")
    ),
    "workspace without changes": lambda text: change(unchanged(text, "No changes")),
    "why nothing changes": lambda text: change(unchanged("net", text)),
    "address": lambda text: change(part(resources=(ResourceChange(f'a.b["{text}"]', ("delete",)),))),
    "address alone": lambda text: change(part(resources=(ResourceChange(text, ("create", "delete")),))),
    "previous address": lambda text: change(part(resources=moved(f"a{text}"))),
    "plan": lambda text: change(part(plan_text=f'  + tags = "{text}"\n{text}\n  + x')),
    "error": lambda text: change(part(RunStatus.ERRORED, error=f"Error: {text}\n{text}")),
    "errors": lambda text: change(part(RunStatus.ERRORED, error="Error: x", errors=f"Error: {text}\n{text}")),
    "errors beside ours": lambda text: change(
        part(RunStatus.ERRORED, error="too late", errors=f"Error: {text}")
    ),
    "what runs at apply": lambda text: change(
        part(at_apply=tuple(RunsAtApply(kind, f'a.b["{text}"]', f"x{text}") for kind in AtApply))
    ),
    "delta": lambda text: change(part(RunStatus.PLANNED, plan_only=False, delta=f"+ a{text}")),
    "delta's address": lambda text: change(differing(f"a{text}", "size", "1")),
    "delta's attribute": lambda text: change(differing("a.b", f"a{text}", "1")),
    "delta's value": lambda text: change(differing("a.b", "size", f'"{text}"')),
    "commit": lambda text: TEXTS.change_comment(ChangeReport(f"a{text}", (part(),)), LIMIT).text,
    "why none": lambda text: TEXTS.change_comment(ChangeReport("abc", (), f"because {text}"), LIMIT).text,
    "conflicting file": lambda text: conflict(f"a{text}"),
    "conflicting file of a planned change": lambda text: conflict(f"a{text}", part()),
    "base branch": lambda text: (
        TEXTS.change_comment(ChangeReport("abc", (part(),), top=f"a{text} at 1a2b3c4"), LIMIT).text
    ),
    "applied workspace": lambda text: outcome(RunStatus.APPLIED, name=text),
    "output": lambda text: outcome(RunStatus.APPLIED, tail=f"{text}\n{text}\nend"),
    "summary": lambda text: outcome(RunStatus.APPLIED, tail="Apply complete! " + text.replace("\n", " ")),
    "failed output": lambda text: outcome(RunStatus.ERRORED, tail=f"a{text}\nb"),
    "failed apply": lambda text: outcome(RunStatus.ERRORED, error=f"Error: {text}\n{text}"),
    "approver": lambda text: outcome(RunStatus.APPLIED, approval=Approval(f"a{text}", "", "", AT)),
    "canceler": lambda text: outcome(RunStatus.CANCELED, cancel_requested_by=f"a{text}"),
    "refused login": lambda text: TEXTS.refusal_comment(f"a{text}", [("net", "why")], LIMIT),
    "refused workspace": lambda text: TEXTS.refusal_comment("ada", [(f"a{text}", "why")], LIMIT),
    "drift": lambda text: change(part(drift=(ResourceChange(f"a{text}", ("delete",)),))),
    "warning": lambda text: change(part(warnings=f"Warning: {text}\n{text}")),
    "workspace with drift": lambda text: change(
        part(name=text, warnings="Warning: x", drift=(ResourceChange("a.b", ("update",)),)), part()
    ),
    "superseded workspace": lambda text: superseded(f"a{text}"),
    "workspace that lacks": lambda text: lacks(f"a{text}", Check("approved", False, "why")),
    "what is missing": lambda text: lacks("net", Check("approved", False, f"{text} asked for changes")),
    "base branch in a table": lambda text: lacks("net", Check("up_to_date", False, f"a{text} has 2 commits")),
    "changed file": lambda text: why(f"runs on this change: net/{text} is in net"),
    "pattern": lambda text: why(f"does not run on this change: none of the changed files is in {text}"),
    "branch in a reason": lambda text: why(f"it follows branch {text}, and this change goes into main"),
    "commit message in a reason": lambda text: why(f"run-1: Waiting: behind run-2 ({text})"),
    "reviewer in a reason": lambda text: why("x", Check("approved", True, f"by a{text}")),
    "file of another": lambda text: other(f"does not run on this change: a{text}"),
    "refused merge": lambda text: not_merged(f"github refused it: check a{text} is expected"),
    "overlap": lambda text: change(part(notes=(f"change 2 plans to change a{text} too",))),
    "order with another": lambda text: forecast(order=(f"a{text}",)),
    "done together": lambda text: forecast(together=(Deed("replaces", f"a{text}"),)),
    "conflict with another": lambda text: forecast(conflicts=(f"a{text}",)),
    "failing together": lambda text: forecast(error=f"a{text}"),
    "why not merged": lambda text: TEXTS.why_comment(WhyReport("abc", (), (), f"left: a{text}"), LIMIT),
    "refusal": lambda text: TEXTS.refusal_comment("ada", [("net", f"because {text}")], LIMIT),
}


def tokens(text: str) -> list[Token]:
    flat = []
    for token in PARSER.parse(text):
        flat += [token, *(token.children or ())]
    return flat


def structure(page: list[Token]) -> list[tuple[str, str, str]]:
    """What the page is made of, without its words; code spans count as words."""
    words = ("text", "text_special", "code_inline")
    return [(t.type, t.tag, re.sub(r"\s+", " ", t.info)) for t in page if t.type not in words]


def harmless(text: str) -> list[Token]:
    """Check what must hold of every comment, and return what it consists of."""
    page = tokens(text)
    assert "<!--" not in text
    for character in text:
        assert character in ("\n", "\u200b") or unicodedata.category(character) not in ("Cc", "Cf", "Cs"), (
            ascii(character)
        )
    assert parse_commands(text) == ()
    fenced, columns = "", 0
    for line in text.splitlines():
        mark = re.match(r"`{3,}", line)
        if mark and not fenced:
            fenced = mark[0]
        elif fenced and line == fenced:
            fenced = ""
        elif not fenced:
            assert not line.lstrip().startswith("/"), line
            # A parser drops what is too much in a row: text that has a bar would pass for the next cell.
            here = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert here in (columns, 0) or not columns, line
            columns = here
    assert not fenced, "a fence is left open"
    for token in page:
        match token.type:
            case "text" | "text_special":
                assert not ACTING.search(token.content), token.content
            case "link_open":
                assert str(token.attrs["href"]).startswith(URL)
            case "html_block" | "html_inline":
                for tag in re.findall(r"<[^>]*>?", token.content):
                    assert TAGS.fullmatch(tag), tag
                words = unescape(re.sub(r"<[^>]*>", "", token.content))
                assert not ACTING.search(words), words
            case "image":
                raise AssertionError(token.content)
            case _:
                pass
    marks = re.findall(r"<[^>]*>", "".join(t.content for t in page if t.type.startswith("html_")))
    opened: list[str] = []
    for tag in marks:
        if tag.startswith("</"):
            assert opened.pop() == tag.replace("/", "")
        else:
            opened.append(tag.replace(" open", ""))
    assert not opened
    return page


@cache
def expected_structure(place: str) -> list[tuple[str, str, str]]:
    return structure(tokens(PLACES[place]("harmless")))


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_changes_no_structure(place: str) -> None:
    for kind, text in HOSTILE.items():
        try:
            page = harmless(PLACES[place](text))
            # A place that stays empty may lose its part; every other keeps the parts of harmless text.
            if text.strip():
                assert structure(page) == expected_structure(place)
        except AssertionError as failure:
            failure.add_note(f"the text: {kind}")
            raise


NASTY = st.text(
    st.sampled_from(
        [*"`<>|[](){}@#/!*_~-+=\\&$:.\n\r\t \"'1ax", "\x1b", "\u2028", "\u202e", "\u200b", "é", "🟡"]
    )
) | st.sampled_from(sorted(HOSTILE.values()))
ACTIONS = st.sampled_from(
    [("create",), ("delete",), ("update",), ("delete", "create"), ("forget",), ("no-op",)]
)
RESOURCE = st.builds(ResourceChange, NASTY, ACTIONS, st.just("") | NASTY, st.booleans())
COUNT = st.integers(0, 10**6)
SECTION = st.builds(
    lambda status, changed, name, headline, step, resources, counts, plan, error, delta, like: (
        WorkspaceSection(
            Workspace("w", name, RepoRef("github", "a/b"), working_directory=name),
            run(status, has_changes=changed, error=error, delta=delta, engine_version=name[:9]),
            headline,
            step,
            f"{URL}/runs/1",
            resources,
            counts,
            plan,
            likeness=like,
            requires=("approved",) if like else (),
            unapproved=bool(like),
            warnings=error,
        )
    ),
    st.sampled_from(RunStatus),
    st.sampled_from([True, False, None]),
    NASTY,
    NASTY,
    NASTY | st.just("/apply net"),
    st.lists(RESOURCE, max_size=5).map(tuple) | st.builds(lambda r: (r,) * 80, RESOURCE),
    st.none() | st.builds(Counts, COUNT, COUNT, COUNT, COUNT),
    NASTY | st.builds(lambda text, times: (text + "\n") * times, NASTY, st.integers(1, 300)),
    NASTY | st.builds(lambda text: (text + "\n") * 200, NASTY),
    st.just("") | NASTY,
    st.sampled_from(["", "x"]),
)
REPORT = st.builds(
    ChangeReport,
    NASTY,
    st.lists(SECTION, max_size=4).map(tuple) | st.builds(lambda s, n: (s,) * n, SECTION, st.integers(1, 120)),
    NASTY,
    alerts=st.booleans(),
)
LIMITS = st.integers(1500, 70_000)


@given(REPORT, LIMITS)
@settings(max_examples=30, deadline=None)
def test_any_change_comment_fits_its_limit_whole(report: ChangeReport, limit: int) -> None:
    text = TEXTS.change_comment(report, limit).text
    assert len(text) <= limit
    harmless(text)
    if report.sections:
        assert text.startswith("### ")
        assert text.endswith("`/help` lists the commands</sub>\n")


@given(SECTION, NASTY, LIMITS)
@settings(max_examples=60, deadline=None)
def test_any_comment_on_one_apply_fits_its_limit_whole(
    section: WorkspaceSection, login: str, limit: int
) -> None:
    of = replace(section.run, confirmed_by=login)
    report = ApplyReport(section.workspace, of, section.run_url, section.plan_text)
    text = TEXTS.applies_comment([report], "", limit)
    assert len(text) <= limit
    harmless(text)


@given(st.lists(SECTION, min_size=2, max_size=5), st.integers(1, 40), NASTY, LIMITS)
@settings(max_examples=30, deadline=None)
def test_any_comment_on_several_applies_fits_its_limit_whole(
    sections: list[WorkspaceSection], times: int, words: str, limit: int
) -> None:
    stages = (StageStatus.ERRORED, StageStatus.FINISHED, StageStatus.PENDING)
    reports = [
        ApplyReport(
            each.workspace,
            replace(each.run, confirmed_by=words, error=words, apply_status=stages[number % 3]),
            each.run_url,
            each.plan_text,
            errors=words,
            superseded_by=f"{URL}/runs/2" if number % 5 == 4 else "",
            headline=words,
        )
        for number, each in enumerate(sections * times)
    ]
    text = TEXTS.applies_comment(reports, "", limit)
    assert len(text) <= limit
    harmless(text)


@given(NASTY, st.lists(st.tuples(NASTY, NASTY), max_size=20), LIMITS)
@settings(max_examples=60, deadline=None)
def test_any_refusal_fits_its_limit_whole(login: str, lines: list[tuple[str, str]], limit: int) -> None:
    text = TEXTS.refusal_comment(login, lines, limit)
    assert len(text) <= limit
    harmless(text)


@given(NASTY)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (plain("a_b *c* <d> @ada"), "a\\_b \\*c\\* &lt;d&gt; @\u200bada"),
        (plain("see https://x.example #1"), "see https:\u200b//x.example \\#\u200b1"),
        (code("a`b"), "``a`b``"),
        (code("`a"), "`` `a ``"),
        (code(" \n"), ""),
        (phrase("push, or comment `/plan net` again"), "push, or comment `/plan net` again"),
        (phrase("one ` alone"), "one \\` alone"),
        (fence("a ```` b", "diff"), "`````diff\na ```` b\n`````"),
        (html("<b> @ada & co"), "&lt;b&gt; @\u200bada &amp; co"),
        (link(plain("a]b"), "https://x.example/(a) b"), "[a\\]b](https://x.example/%28a%29%20b)"),
        (link(plain("a"), "javascript:alert(1)"), "a"),
        (clean("\x1b[31mred\x1b[0m\u202e"), "red⟨U+202E⟩"),
        (clean("a\r/b\u2028c\x0bd\r\ne"), "a\n/b\nc\nd\ne"),
        (one_line("a\n b" + "c" * 10, 6), "a bcc…"),
    ],
)
def test_each_way_of_making_text_harmless(made: str, expected: str) -> None:
    assert made == expected
