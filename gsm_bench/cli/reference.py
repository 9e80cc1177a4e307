"""The command reference as Markdown, from the help texts: ``python -m gsm_bench.cli.reference > docs/commands.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from gsm_bench.cli import COMMANDS, cli

WIDTH = 100
INTRODUCTION = """# Commands

Generated from the help texts: `make docs`. `gsmbench COMMAND --help` prints the same.
"""


def reference() -> str:
    """All commands with their options and one example each, in the order of ``gsmbench --help``."""
    context = click.Context(cli, info_name="gsmbench")
    sections = [INTRODUCTION]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        for path, member in _with_subcommands(name, command):
            sections.append(f"## gsmbench {path}\n\n```\n{_help(path, member)}\n```\n")
    return "\n".join(sections)


def _with_subcommands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and the commands below it, each with its words after ``gsmbench``."""
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _with_subcommands(f"{path} {name}", below)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(
        command, info_name=f"gsmbench {path}", terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    return inspect.cleandoc(command.get_help(context))


if __name__ == "__main__":
    click.echo(reference(), nl=False)
