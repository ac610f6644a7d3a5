"""The documentation as tests read it: pages by their names below docs/, sections, code blocks, anchors."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
# Pages beside docs/: the forge shows them.
BESIDE = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
PAGES = [*BESIDE, *sorted(DOCS.rglob("*.md"))]


def name_of(path: Path) -> str:
    """Return a page's path below the project's root."""
    return path.relative_to(ROOT).as_posix()


def page(name: str) -> str:
    """Return a page of docs/, such as `reference/settings`."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """Return a section of a page, with its subsections."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page(name), re.MULTILINE | re.DOTALL)
    assert found, f"docs/{name}.md has no section {title!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """Return a page without its code blocks, inline code and HTML; line numbers stay."""

    def blank(found: re.Match[str]) -> str:
        return "\n" * found[0].count("\n")

    text = re.sub(r"^( *)```.*?^\1```$", blank, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", blank, text, flags=re.DOTALL)
    return re.sub(r"``.+?``|`[^`\n]+`", "`code`", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors that a page's titles make, on the forge and on the site."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    """Return the links of a page, and its pictures, that stay within the project."""
    text = re.sub(
        r"^ *```.*?^ *```|`[^`\n]*`",
        "",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    return [link for link in found if "://" not in link]
