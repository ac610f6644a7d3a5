"""Terraform's output on a page: harmless, coloured, numbered."""

from __future__ import annotations

from typing import Any

import pytest

from bot.web.page.output import harmless, html_of, kind_of, lines_of
from bot.web.page.terminal import coloured


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain  text, größer → ok\t!", "plain  text, größer → ok\t!"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\x00b\rc\x0bd\u2028e\x85f", "a\\u0000b\\u000dc\\u000bd\\u2028e\\u0085f"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_what_would_hide_or_reorder_text_is_made_visible(raw: str, shown: str) -> None:
    assert harmless(raw) == shown


def test_lines_are_counted_as_they_are() -> None:
    assert lines_of("a\r\nb\n") == lines_of("a\nb") == ["a", "b"]
    assert lines_of("\n") == [""]
    assert lines_of("") == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("  + resource", "add"),
        ("-/+ resource", "destroy"),
        ("  ~ ttl = 1 -> 2", "change"),
        ("      - note = null", "destroy"),
        ("      + | - allow: 22", "add"),
        ("        | - allow: 22", ""),
        ("Plan: 1 to add, 0 to change, 0 to destroy.", "head"),
        ("  # a.b will be created", "head"),
        ("a - b", ""),
    ],
)
def test_lines_of_a_plan_are_coloured_by_their_sign(line: Any, kind: Any) -> None:
    assert kind_of(line, plan=True) == kind
    html = html_of([line], "text", 7, plan=True)
    assert html.startswith(f'<span id="text-L7" class="{kind}">' if kind else '<span id="text-L7">')


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("- Installing hashicorp/null v2.1.2...", ""),
        ("      - allow: 22", ""),
        ("  + resource", ""),
        ("  # a.b will be created", ""),
        ("│ Error: no", "error"),
        ("Apply complete! Resources: 1 added, 0 changed, 0 destroyed.", "head"),
        ("$ terraform plan", "command"),
    ],
)
def test_lines_that_a_program_printed_have_no_colour_of_a_change(line: str, kind: str) -> None:
    assert kind_of(line) == kind
    html = html_of([f"{line} # forces replacement"], "plan", 7)
    assert html.startswith(f'<span id="plan-L7" class="{kind}">' if kind else '<span id="plan-L7">')
    assert 'class="destroy' not in html


@pytest.mark.parametrize(
    ("raw", "pieces"),
    [
        ("\x1b[31mred\x1b[0m not", [("fg1", "red"), ("", " not")]),
        ("\x1b[1;92mbold\x1b[22m plain\x1b[39m.", [("b fg10", "bold"), ("fg10", " plain"), ("", ".")]),
        ("\x1b[38;5;3mx\x1b[38;5;200my\x1b[38;2;1;2;3mz", [("fg3", "x"), ("fg3", "y"), ("fg3", "z")]),
        ("\x1b[mx\x1b[999999999mx", [("", "x"), ("", "x")]),
        ("\x1b[31m", []),
        ("\x1b[2J\x1b]0;title\x07a", [("", "a")]),
    ],
)
def test_colours_of_a_terminal_become_classes(raw: str, pieces: list[tuple[str, str]]) -> None:
    assert list(coloured(raw)) == pieces


def test_a_coloured_line_is_as_harmless_as_any() -> None:
    html = html_of(["\x1b[31m<script>\u202e\x1b[0m"], "apply", 1)
    assert html == (
        '<span id="apply-L1"><a href="#apply-L1" tabindex="-1">1</a>'
        '<span class="fg1">&lt;script&gt;\\u202e</span>\n</span>'
    )


def test_what_terraform_would_colour_within_a_line_is_coloured() -> None:
    html = html_of(['  ~ id = "a" -> (known after apply) # forces replacement'], "text", 1, plan=True)
    assert '<span class="change"> -&gt; </span>' in html
    assert '<span class="soft">(known after apply)</span>' in html
    assert '<span class="destroy b"># forces replacement</span>' in html


def test_an_endless_line_is_cut() -> None:
    assert "… (10000 more characters)" in html_of(["x" * 30_000], "plan", 1)
