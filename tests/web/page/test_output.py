"""Terraform's output on a page: harmless, coloured, numbered."""

from __future__ import annotations

import pytest

from bot.web.output import harmless, html_of, kind_of, lines_of
from bot.web.terminal import coloured


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
def test_what_would_hide_or_reorder_text_is_made_visible(raw, shown):
    assert harmless(raw) == shown


def test_lines_are_counted_as_they_are():
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
        ("│ Error: no", "error"),
        ("Plan: 1 to add, 0 to change, 0 to destroy.", "head"),
        ("  # a.b will be created", "head"),
        ("a - b", ""),
    ],
)
def test_lines_are_coloured_by_their_sign(line, kind):
    assert kind_of(line) == kind
    html = html_of([line], "plan", 7)
    assert html.startswith(f'<span id="plan-L7" class="{kind}">' if kind else '<span id="plan-L7">')


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
def test_colours_of_a_terminal_become_classes(raw, pieces):
    assert list(coloured(raw)) == pieces


def test_a_coloured_line_is_as_harmless_as_any():
    html = html_of(["\x1b[31m<script>\u202e\x1b[0m"], "apply", 1)
    assert html == (
        '<span id="apply-L1"><a href="#apply-L1" tabindex="-1">1</a>'
        '<span class="fg1">&lt;script&gt;\\u202e</span>\n</span>'
    )


def test_what_terraform_would_colour_within_a_line_is_coloured():
    html = html_of(['  ~ id = "a" -> (known after apply) # forces replacement'], "plan", 1)
    assert '<span class="change"> -&gt; </span>' in html
    assert '<span class="soft">(known after apply)</span>' in html
    assert '<span class="destroy b"># forces replacement</span>' in html


def test_an_endless_line_is_cut():
    assert "… (10000 more characters)" in html_of(["x" * 30_000], "plan", 1)
