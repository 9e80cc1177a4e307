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
    root = _context(cli, "gsmbench", None)
    sections = [INTRODUCTION]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        for context in _with_subcommands(_context(command, name, root)):
            text = inspect.cleandoc(context.get_help())
            sections.append(f"## {context.command_path}\n\n```\n{text}\n```\n")
    return "\n".join(sections)


def _with_subcommands(context: click.Context) -> Iterator[click.Context]:
    """The context of a command, then those of the commands below it."""
    yield context
    if isinstance(context.command, click.Group):
        for name, below in context.command.commands.items():
            yield from _with_subcommands(_context(below, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH, "color": False}
    return click.Context(command, info_name=name, parent=parent, **settings)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
