"""The demo's terminal: a step per line with its duration, statuses as they come, comments as people see."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

_SIGNS = {
    "pending": "[yellow]●[/]",
    "success": "[green]✓[/]",
    "failure": "[red]✗[/]",
    "error": "[red]✗[/]",
}
# Below so many columns a table would leave no room for what a status says.
_NARROW = 72
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SUMMARY = re.compile(r"<summary>(.*?)</summary>", re.DOTALL)
_TAG = re.compile(r"</?[a-z][^<>]*>")


class Screen:
    """Writes the story to a terminal, or plainly to a file."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._begun = time.monotonic()

    def title(self) -> None:
        """Say what this is."""
        self._console.print()
        self._console.print("[bold]Plangate[/]  push, plan, comment, /apply, all on this machine")
        self._console.print()

    def step(self, what: str, detail: str, seconds: float) -> None:
        """Show a step that was done."""
        self._line("[green]✓[/]", f"[bold]{escape(what)}[/]", escape(detail), f"{seconds:.1f} s")

    def say(self, words: str) -> None:
        """Say what comes."""
        self._console.print(f"\n  [dim]{escape(words)}[/]")

    def status(self, context: str, state: str, description: str) -> None:
        """Show a commit status."""
        seconds = f"{time.monotonic() - self._begun:.1f} s"
        self._line(_SIGNS.get(state, "?"), f"[cyan]{escape(context)}[/]", escape(description), seconds)

    def comment(self, author: str, body: str, words: str) -> None:
        """Show a comment as the forge would."""
        self.say(words)
        panel = Panel(
            _as_seen(body), title=f"[bold]{escape(author)}[/] commented", title_align="left", padding=(1, 2)
        )
        self._console.print(panel)

    def finish(self, links: Sequence[tuple[str, str]]) -> None:
        """Say that the story is over, and show where to look at it, if possible."""
        width = max((len(name) for name, _ in links), default=0)
        self._console.print()
        self._console.print(f"[bold green]Done[/] in {time.monotonic() - self._begun:.0f} s.\n")
        for name, url in links:
            # No table: it would cut an address that is longer than the terminal is wide.
            self._console.print(f"  {escape(name.ljust(width))}   [cyan]{escape(url)}[/]", soft_wrap=True)
        if links:
            self._console.print()

    def wait(self) -> None:
        """Say that it goes on."""
        self._console.print("  Comment, push and click as you like. Press [bold]Ctrl-C[/] to stop.\n")

    def interrupted(self) -> None:
        """Say that it was ended before its end."""
        self._console.print("\n  Stopped before the end of the story.\n")

    def fail(self, words: str) -> None:
        """Say what went wrong."""
        self._console.print(f"\n[bold red]✗ The story failed.[/] {escape(words)}\n")

    def _line(self, sign: str, what: str, detail: str, right: str) -> None:
        if self._console.width < _NARROW:
            self._console.print(f"  {sign} {what}  {detail}  [dim]{right}[/]")
            return
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=3, justify="right")
        table.add_column(width=34, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        table.add_column(width=7, justify="right", style="dim")
        if "bold" in what:
            table = Table.grid(padding=(0, 1), expand=True)
            table.add_column(width=3, justify="right")
            table.add_column(ratio=1, overflow="fold")
            table.add_column(justify="right", style="dim")
            table.add_column(width=7, justify="right", style="dim")
        table.add_row(sign, what, detail, right)
        self._console.print(table)


def _as_seen(body: str) -> Group:
    """Return a comment without what a browser does not show, folded blocks marked as such."""
    text = _COMMENT.sub("", body)
    text = _SUMMARY.sub(lambda found: f"\n▸ {_TAG.sub('', found[1])}\n", text)
    return Group(Markdown(_TAG.sub("", text).strip(), code_theme="ansi_dark"))
