"""`plangate demo`: the whole story on this machine, then served until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bot.demo.sample import REPOS
from bot.domain.errors import ConfigError


@click.command()
@click.option("--once", is_flag=True, help="Stop after the story instead of keeping the servers running.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".plangate/demo"),
    show_default=True,
    help="Folder for the demo's data. It is emptied first.",
)
@click.option(
    "--forge",
    type=click.Choice([*REPOS]),
    default="github",
    show_default=True,
    help="Forge that the playground imitates.",
)
@click.option(
    "--port",
    type=click.IntRange(1024, 65534),
    default=8100,
    show_default=True,
    help="Port of the pages. The playground forge has the next one.",
)
def demo(*, once: bool, data: Path, forge: str, port: int) -> None:
    """Show the main job with real pushes, real Terraform and real workers."""
    try:
        # Here, because a server's installation does without the extras that this needs.
        from bot.demo.show import show  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"the demo needs the extras `embedded` and `playground` ({error.name} is missing): "
            "run `make demo` in a clone of the repository, or pip install '.[embedded,playground]' there"
        ) from error
    if not show(data, once=once, kind=forge, port=port):
        sys.exit(1)
