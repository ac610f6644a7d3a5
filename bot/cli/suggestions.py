"""Suggestions for mistyped commands. Click makes those for mistyped options."""

from __future__ import annotations

import difflib

import click


class SuggestingGroup(click.Group):
    """A group that names the commands that were probably meant, also in the groups within it."""

    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises UsageError with what was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            typed = args[0] if args else ""
            near = difflib.get_close_matches(typed.lower(), self.list_commands(ctx), n=3, cutoff=0.6)
            if not near or "Did you mean" in error.message:
                raise
            meant = " or ".join(f"`{ctx.command_path} {name}`" for name in near)
            raise click.UsageError(f"{error.message} Did you mean {meant}?", ctx) from None
