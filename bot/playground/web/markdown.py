"""Comments as people see them: Markdown as forges render it, and only the HTML that forges let through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

_VOID = {"br", "hr", "img"}
# fmt: off
_ALLOWED = _VOID | {
    "a", "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre",
    "code", "em", "strong", "b", "i", "s", "del", "ins", "sub", "sup", "kbd", "span", "div",
    "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
}
# fmt: on
# People don't see their content either.
_SWALLOWED = {"script", "style", "iframe", "object", "title", "textarea", "svg", "math", "template"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "details": {"open"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "span": {"class"},
    "pre": {"class"},
}
_CLASSES = {"diff", "add", "del", "hunk", "change", "todo", "done"}
_SAFE_ADDRESS = re.compile(r"(https?://|mailto:|#|/(?!/))", re.IGNORECASE)
_ALIGN = re.compile(r"text-align:\s*(left|right|center)")
_TASK = re.compile(r"(<li>\s*(?:<p>)?)\[([ xX])\] ")
_BOXES = {" ": "☐", "x": "☑"}
_SIGNS = {"+": "add", "-": "del", "@": "hunk", "!": "change"}


def render(text: str) -> Markup:
    """Render a comment."""
    cleaner = _Cleaner()
    html = _TASK.sub(lambda found: f"{found[1]}{_BOXES[found[2].lower()]} ", _PARSER.render(text))
    cleaner.feed(html)
    return Markup(cleaner.finish())  # noqa: S704 - the cleaner has let through only what it knows to be harmless


def diff_lines(patch: str) -> Markup:
    """Colour a patch line by line."""
    lines = []
    for line in patch.splitlines():
        kind = _SIGNS.get(line[:1])
        lines.append(f'<span class="{kind}">{escape(line)}\n</span>' if kind else f"{escape(line)}\n")
    return Markup("".join(lines))  # noqa: S704 - every line is escaped


def _fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    if token.info.strip().split(" ")[0] in ("diff", "patch"):
        return f'<pre class="diff"><code>{diff_lines(token.content)}</code></pre>\n'
    return str(renderer.fence(tokens, index, options, env))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.add_render_rule("fence", _fence)
    return parser


class _Cleaner(HTMLParser):
    """Writes HTML again from what it reads, with known tags only and every one closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[str] = []
        self._swallowing: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write a tag again if it is a known one."""
        if tag in _SWALLOWED:
            self._swallowing.append(tag)
        if tag not in _ALLOWED or self._swallowing:
            return
        kept = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(tag, attrs))
        self._out.append(f"<{tag}{kept}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take `<br />` as `<br>`; HTML knows no other tags that close themselves."""
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close a tag that is open, and those within it."""
        if tag in self._swallowing:
            while self._swallowing.pop() != tag:
                pass
        elif tag in self._open and not self._swallowing:
            while (last := self._open.pop()) != tag:
                self._out.append(f"</{last}>")
            self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Write text."""
        if not self._swallowing:
            self._out.append(escape(data, quote=False))

    def finish(self) -> str:
        """Give what has been written."""
        self.close()
        return "".join(self._out + [f"</{tag}>" for tag in reversed(self._open)])


def _attributes(tag: str, attrs: list[tuple[str, str | None]]) -> list[tuple[str, str]]:
    kept = []
    for key, given in attrs:
        value = given or ""
        if key == "style" and tag in ("th", "td") and (found := _ALIGN.fullmatch(value)):
            kept.append(("align", found.group(1)))
        if key not in _ATTRIBUTES.get(tag, ()):
            continue
        if key in ("href", "src") and not _SAFE_ADDRESS.match(value):
            continue
        if key == "class" and not set(value.split()) <= _CLASSES:
            continue
        kept.append((key, value))
    return [*kept, ("rel", "nofollow noopener")] if tag == "a" else kept


_PARSER = _parser()
