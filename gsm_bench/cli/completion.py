"""``gsmbench completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gsm_bench.cli.console import echo

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_GSMBENCH_COMPLETE"
"""The environment variable by which a shell asks for completions; click derives it from the name of the program."""


@click.command("completion", short_help="Print the script that completes names in your shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes commands, options, models, data sets and splits in bash, zsh or fish.

    \b
    Example:
      gsmbench completion fish > ~/.config/fish/completions/gsmbench.fish
      echo 'eval "$(gsmbench completion bash)"' >> ~/.bashrc
      echo 'eval "$(gsmbench completion zsh)"' >> ~/.zshrc
    """
    completion = get_completion_class(shell)
    assert completion is not None
    root = click.get_current_context().find_root().command
    echo(completion(root, {}, "gsmbench", VARIABLE).source())
