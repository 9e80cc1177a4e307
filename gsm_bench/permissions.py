"""Which code of which workspace the user allowed to run: a file in the user's own configuration directory.

A permission holds for one folder, one network and the sha256 of each of its files. Where one of them differs, the user is
asked again.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from gsm_bench.entries import ModelEntry, runs_named_code
from gsm_bench.errors import TrustError
from gsm_bench.files import locked, write_whole
from gsm_bench.network_code import NetworkCode, code_of

LARGEST_BYTES = 20_000_000
SHOWN = 5
"""Files that a message names."""
State = Literal["as allowed", "changed", "gone"]


@dataclass(frozen=True)
class Permission:
    """Code that may run.

    Attributes:
        folder: the workspace; network: ``package.module:function``.
        files: sha256 by path within the folder; empty for an installed module.
        allowed: when, in ISO 8601, UTC.
    """

    folder: str
    network: str
    files: dict[str, str] = field(default_factory=dict)
    allowed: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.folder, self.network

    @property
    def state(self) -> State:
        """Whether the files are what they were."""
        if not Path(self.folder).is_dir():
            return "gone"
        code = code_of(self.network, Path(self.folder), also=self.files)
        return "as allowed" if code.hashes == self.files else "changed"


def permissions_path() -> Path:
    """The user's list: ``gsmbench/trust.json`` in $XDG_CONFIG_HOME, else in ~/.config.

    Raises:
        TrustError: there is no home directory.
    """
    chosen = Path(os.environ.get("XDG_CONFIG_HOME") or "")
    try:
        place = chosen if chosen.is_absolute() else Path.home() / ".config"
    except RuntimeError as error:
        raise TrustError("this user has no home directory", fix="set XDG_CONFIG_HOME to a directory") from error
    return place / "gsmbench" / "trust.json"


def read_permissions() -> tuple[Permission, ...]:
    """All permissions, in the order in which they were given.

    Raises:
        TrustError: the list is damaged.
    """
    path = permissions_path()
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES)
        return msgspec.json.decode(content, type=tuple[Permission, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TrustError(
            f"the list of allowed code cannot be read: {error.strerror}", where=path, fix="check its permissions"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TrustError(
            f"the list of allowed code is damaged: {error}", where=path, fix="delete this file, and allow code again"
        ) from error


def allowed_code(entry: ModelEntry, folder: Path) -> NetworkCode:
    """The code of an entry's network, which the user allowed to run.

    Raises:
        TrustError: the user did not, or a file changed since; with the command that allows it.
    """
    code, permission = _code_and_permission(entry, folder)
    if permission is not None and permission.files == code.hashes:
        return code
    if permission is not None:
        what = f"code of {entry.name} changed since it was allowed to run"
    elif code.sources:
        what = f"{entry.name} runs code of this workspace that was not allowed to run"
    else:
        what = f"{entry.name} runs an installed module that was not allowed for this workspace"
    before = permission.files if permission else {}
    changed = [name for name, digest in code.hashes.items() if before.get(name) != digest] or list(code.sources)
    more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    where = f"{', '.join(changed[:SHOWN])}{more} in {folder}" if changed else code.module
    raise TrustError(what, where=where, fix=f"read it, then: {allow_command([entry.name], folder)}")


def missing_permissions(entries: list[ModelEntry], folder: Path) -> dict[str, NetworkCode]:
    """The code of each entry, by its name, that may not run yet."""
    missing = {}
    for entry in entries:
        if runs_named_code(entry.network):
            code, permission = _code_and_permission(entry, folder)
            if permission is None or permission.files != code.hashes:
                missing[entry.name] = code
    return missing


def _code_and_permission(entry: ModelEntry, folder: Path) -> tuple[NetworkCode, Permission | None]:
    folder = folder.resolve()
    key = _folder_name(folder), entry.network
    permission = next((each for each in read_permissions() if each.key == key), None)
    return code_of(entry.network, folder, also=permission.files if permission else ()), permission


def allow_command(models: list[str], folder: Path) -> str:
    """The command line that allows the code of models."""
    return f"gsmbench trust allow {shlex.join(models)} --workspace {shlex.quote(str(folder))}"


def allow(code: NetworkCode) -> Permission:
    """Let code run from now on, in place of other contents of its files."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    given = Permission(_folder_name(code.folder), code.network, code.hashes, now)
    _change(lambda before: [*(each for each in before if each.key != given.key), given])
    return given


def forget(chosen: Callable[[Permission], bool]) -> int:
    """Take permissions back; returns how many."""
    forgotten: list[Permission] = []

    def kept(before: tuple[Permission, ...]) -> list[Permission]:
        forgotten.extend(each for each in before if chosen(each))
        return [each for each in before if not chosen(each)]

    if permissions_path().exists():
        _change(kept)
    return len(forgotten)


def _change(change: Callable[[tuple[Permission, ...]], list[Permission]]) -> None:
    path = permissions_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(path):
            write_whole(path, msgspec.json.format(msgspec.json.encode(change(read_permissions())), indent=1))
    except OSError as error:
        raise TrustError(
            f"the list of allowed code cannot be written: {error.strerror}", where=path,
            fix="set XDG_CONFIG_HOME to a directory that you can write to",
        ) from error  # fmt: skip


def _folder_name(folder: Path) -> str:
    """The folder as text.

    Raises:
        TrustError: its name is no UTF-8.
    """
    try:
        return str(folder).encode().decode()
    except UnicodeEncodeError as error:
        raise TrustError("the name of this folder is no UTF-8", where=folder, fix="rename it") from error
