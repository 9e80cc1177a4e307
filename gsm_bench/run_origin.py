"""Where and how a file was made: the command, the machine and the state of this package.

Every command imports this module, so it imports what is slow to load where it is used.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import TypedDict

from gsm_bench.places import without_secrets

COMMIT_LENGTH = 40
_command: list[str] = []


class RunOrigin(TypedDict):
    """Fields of the provenance that say where and how a file was made."""

    command_line: list[str]
    host: str
    code_commit: str


def set_command(words: list[str]) -> None:
    """Keep the words of the command of this process."""
    _command[:] = words


def run_origin() -> RunOrigin:
    """The command of this process, its machine, and the commit or version of this package."""
    import socket

    command = _command or [Path(sys.argv[0]).name, *sys.argv[1:]]
    return {
        "command_line": [without_secrets(word) for word in command],
        "host": socket.gethostname(),
        "code_commit": code_commit(),
    }


@lru_cache
def code_commit() -> str:
    """The git commit of the checkout that this package runs from, else its version; git itself is not run."""
    if commit := _commit_of(Path(__file__).parents[1]):
        return commit
    return installed_version("gsm-bench")


@cache
def installed_version(package: str) -> str:
    """The version of an installed package, read once per process.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    from importlib.metadata import version

    return version(package)


def _commit_of(checkout: Path) -> str:
    """The commit that is checked out in a folder; empty if there is none."""
    try:
        folder = _git_folder(checkout)
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head if len(head) == COMMIT_LENGTH else ""
        name = head.removeprefix("ref: ")
        common = folder / "commondir"
        shared = folder / common.read_text().strip() if common.exists() else folder
        reference = shared / name
        return reference.read_text().strip() if reference.exists() else _packed_commit(shared, name)
    except (OSError, ValueError):
        return ""


def _git_folder(checkout: Path) -> Path:
    """The git folder of a checkout; a worktree has a file that names it."""
    git = checkout / ".git"
    return checkout / git.read_text().removeprefix("gitdir: ").strip() if git.is_file() else git


def _packed_commit(folder: Path, name: str) -> str:
    lines = (line.split(" ") for line in (folder / "packed-refs").read_text().splitlines())
    return next((parts[0] for parts in lines if parts[-1] == name and len(parts) == 2), "")
