"""Ask on a terminal before code of a workspace runs; elsewhere an error names the command that allows it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.console import say
from gsm_bench.entries import ModelEntry, runs_named_code

if TYPE_CHECKING:
    from gsm_bench.network_code import NetworkCode
    from gsm_bench.workspace import Workspace

WARNING = "Code can do whatever you can: allow only what you have read, or whose author you trust."


def ask_for_code(entries: Sequence[ModelEntry], workspace: Workspace) -> None:
    """Return once all code of these models may run.

    Raises:
        TrustError: the user says no, or there is no terminal to ask on.
    """
    foreign = [entry for entry in entries if runs_named_code(entry.network)]
    if not foreign:
        return
    from gsm_bench.errors import TrustError
    from gsm_bench.permissions import allow, allow_command, allowed_code, missing_permissions

    missing = missing_permissions(foreign, workspace.root)
    if not missing:
        return
    if not _on_terminal():
        if len(missing) == 1:
            allowed_code(next(entry for entry in foreign if entry.name in missing), workspace.root)
        raise TrustError(
            f"{', '.join(missing)} run code that was not allowed for this workspace",
            where=workspace.root, fix=f"read it, then: {allow_command(list(missing), workspace.root)}",
        )  # fmt: skip
    for name, code in missing.items():
        show_code(name, code)
    say(WARNING)
    if not click.confirm("Allow it until one of these files changes?", err=True):
        raise TrustError("the code was not allowed to run", where=workspace.root, fix="choose another model")
    for code in missing.values():
        allow(code)


def show_code(name: str, code: NetworkCode) -> None:
    """Print which files, or which installed module, a model runs."""
    if not code.sources:
        say(f"{name} runs {code.network}, of an installed module")
        return
    say(f"{name} runs {code.network}, of these files in {code.folder}:")
    for file, digest in code.hashes.items():
        say(f"  {file}  sha256 {digest}")


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
