"""`plangate completion`: the script by which a shell completes commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    \b
    bash: plangate completion bash > ~/.local/share/bash-completion/completions/plangate
    zsh:  plangate completion zsh > ~/.zfunc/_plangate, with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
    fish: plangate completion fish > ~/.config/fish/completions/plangate.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    click.echo(found(ctx.find_root().command, {}, "plangate", "_PLANGATE_COMPLETE").source())
