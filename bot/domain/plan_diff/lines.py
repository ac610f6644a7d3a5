"""Lines of a rendered plan: Terraform's layout as it is, and as a diff that forges colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """A line: where its text begins, the sign before it, and the text."""

    indent: int
    sign: str
    text: str

    def plain(self) -> str:
        """Return the line in Terraform's layout."""
        if not self.sign:
            return (" " * self.indent + self.text).rstrip(" ") if self.text else ""
        return " " * (self.indent - len(self.sign) - 1) + self.sign + " " + self.text

    def diff(self) -> str:
        """Return the line with its sign in the first column, if a diff has it.

        No forge colours a `~`, but a `!`: an update has that first, and its `~` where Terraform puts it. A
        replacement keeps its `-/+` in the same way, because a `-` in the first column reads as destroyed.
        """
        match self.sign:
            case "":
                return self.plain()
            case "+" | "-":
                return self.sign + " " * (self.indent - 1) + self.text
            case "~":
                return "!" + " " * (self.indent - 3) + "~ " + self.text
            case "<=":
                return self.plain()
            case _:
                return f"! {self.sign.strip()} {self.text}"


def plain(lines: Iterable[Line]) -> str:
    """Return lines in Terraform's layout."""
    return "\n".join(line.plain() for line in lines)


def diff(lines: Iterable[Line]) -> str:
    """Return lines for a block of a diff."""
    return "\n".join(line.diff() for line in lines)
