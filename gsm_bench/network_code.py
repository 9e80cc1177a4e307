"""The Python files of a workspace that a network consists of: found without running them, and run as they were read.

A network ``package.module:function`` is a file of the workspace or an installed module. Of a file, the imports are
followed to other files of the workspace. Only these files can be imported from it, and exactly the bytes that were
read: no file that changed meanwhile, no compiled file, no file that an import at run time asks for.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from gsm_bench.errors import NetworkError, TrustError

LARGEST_BYTES = 5_000_000
MOST_FILES = 1_000
UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class NetworkCode:
    """A network and the files of the workspace that it imports.

    Attributes:
        folder: the workspace.
        network: ``package.module:function``.
        sources: content by path within the folder; empty for an installed module.
    """

    folder: Path
    network: str
    sources: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return self.network.partition(":")[0]

    @property
    def hashes(self) -> dict[str, str]:
        """Hexadecimal sha256 by path within the folder."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.sources.items()}


def code_of(network: str, folder: Path, also: Iterable[str] = ()) -> NetworkCode:
    """Find and read the files of a network; nothing of them runs.

    Args:
        network: ``package.module:function``.
        folder: the workspace.
        also: further files, as paths within the folder; those that are missing are left out.

    Raises:
        NetworkError: a file cannot be read, or has the name of an installed package.
    """
    module = network.partition(":")[0]
    path = _file_of(folder, module)
    if path is None:
        return NetworkCode(folder, network)
    if _installed(module, folder):
        name = module.partition(".")[0]
        raise NetworkError(
            f"the file has the name of an installed package, {name}", where=folder / path, fix="rename the file"
        )
    sources: dict[str, bytes] = {}
    waiting = [module, *(_module_of(name) for name in also if _file_of(folder, _module_of(name)))]
    while waiting:
        name = waiting.pop()
        for part in _with_parents(name):
            path = _file_of(folder, part)
            if path is None or path in sources or _installed(part, folder):
                continue
            sources[path] = _content(folder / path)
            if len(sources) > MOST_FILES:
                raise NetworkError(f"{network} imports more than {MOST_FILES:,} files", where=folder, fix="install it")
            waiting += _imported(sources[path], part, is_package=path.endswith("__init__.py"))
    return NetworkCode(folder, network, dict(sorted(sources.items())))


@contextmanager
def running(code: NetworkCode) -> Iterator[Any]:
    """Import the module of a network and yield its function, None if there is none. This runs code.

    Raises:
        TrustError: it imports a file of the workspace that is not part of `code`.
    """
    with _FINDER.running(code):
        yield getattr(importlib.import_module(code.module), code.network.partition(":")[2], None)


def _file_of(folder: Path, module: str) -> str | None:
    """The file of a module, as its path within the folder; None if it is not there."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    stem = "/".join(parts)
    try:
        return next((path for path in (f"{stem}/__init__.py", f"{stem}.py") if (folder / path).is_file()), None)
    except OSError:  # a name that is too long, a folder that must not be entered
        return None


def _module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise NetworkError(f"this file cannot be read: {error.strerror}", where=path, fix="check it") from error
    if len(content) > LARGEST_BYTES:
        raise NetworkError(f"this file is larger than {LARGEST_BYTES:,} bytes", where=path, fix="use a smaller one")
    return content


def _installed(module: str, folder: Path) -> bool:
    """Whether Python finds a package of this name outside the folder; then the name means that one."""
    name = module.partition(".")[0]
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return True
    places = [place for place in sys.path if Path(place or ".").resolve() != folder]
    spec = PathFinder.find_spec(name, places)
    return spec is not None and spec.loader is not None


def _imported(content: bytes, module: str, *, is_package: bool) -> Iterator[str]:
    """Names that may be modules, of all import statements of a file; none if it is no valid Python."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except UNPARSED:
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = _package(module, node.level, is_package=is_package)
            start = ".".join(filter(None, (package, node.module)))
            yield start
            yield from (f"{start}.{alias.name}".lstrip(".") for alias in node.names)


def _package(module: str, level: int, *, is_package: bool) -> str:
    """The package that an import of `level` dots starts from."""
    if not level:
        return ""
    parts = module.split(".")
    return ".".join(parts[: len(parts) - level + is_package])


class _SourceLoader(Loader):
    """Runs the bytes of a module that were read."""

    def __init__(self, code: NetworkCode, path: str | None) -> None:
        self.code = code
        self.path = path

    def exec_module(self, module: ModuleType) -> None:
        if self.path is not None:
            program = compile(
                self.code.sources[self.path], str(self.code.folder / self.path), "exec", dont_inherit=True
            )
            exec(program, module.__dict__)


class _CodeFinder(MetaPathFinder):
    """Finds modules of the one network code that was loaded last; refuses other files of its folder.

    It stays in place after loading, for imports within functions of that code.
    """

    def __init__(self) -> None:
        self._code: NetworkCode | None = None
        self._lock = threading.RLock()
        self.entered = 0

    @contextmanager
    def running(self, code: NetworkCode) -> Iterator[None]:
        """Import modules of `code`; modules of the same names that others imported are back afterwards."""
        with self._lock:
            self.use(code)
            tops = {file.partition("/")[0].removesuffix(".py") for file in code.sources}
            displaced = {
                name: module
                for name, module in list(sys.modules.items())
                if name.partition(".")[0] in tops and not _is_ours(module)
            }
            for name in displaced:
                del sys.modules[name]
            self.entered += 1
            try:
                yield
            finally:
                self.entered -= 1
                sys.modules.update(displaced)

    def use(self, code: NetworkCode) -> None:
        """Find modules of `code` from now on; modules of other files, and of other contents, are forgotten."""
        if self._code is None or (self._code.folder, self._code.sources) != (code.folder, code.sources):
            for name, module in list(sys.modules.items()):
                if _is_ours(module):
                    del sys.modules[name]
        self._code = code
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        code = self._code
        if code is None or not code.sources or not (self.entered or _imported_by_ours()):
            return None
        stem = fullname.replace(".", "/")
        for file in (f"{stem}/__init__.py", f"{stem}.py"):
            if file in code.sources:
                return _spec(fullname, code, file)
        if any(file.startswith(f"{stem}/") for file in code.sources):
            return _spec(fullname, code, None)
        self._refuse(fullname, code, path)
        return None

    def _refuse(self, fullname: str, code: NetworkCode, path: Sequence[str] | None) -> None:
        """Raise TrustError for a module that only the folder has."""
        if _installed(fullname, code.folder):
            return
        file = _file_of(code.folder, fullname)
        inside = path is not None and any(Path(place).is_relative_to(code.folder) for place in path)
        spec = PathFinder.find_spec(fullname, path) if inside and file is None else None
        if file is not None:
            raise TrustError(
                f"{code.network} imports a file of the workspace that was not allowed",
                where=code.folder / file,
                fix=f"read it, and add --file {file} to the gsmbench trust allow of this network",
            )
        if spec is not None and spec.loader is not None:
            raise TrustError(
                f"{code.network} imports a compiled file, which cannot be allowed", where=spec.origin, fix="install it"
            )


def _imported_by_ours() -> bool:
    """Whether the import statement that is being executed is one of a network's code."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and isinstance(frame.f_globals.get("__loader__"), _SourceLoader)


def _is_ours(module: ModuleType | None) -> bool:
    return isinstance(getattr(module, "__loader__", None), _SourceLoader)


def _spec(fullname: str, code: NetworkCode, file: str | None) -> ModuleSpec | None:
    is_package = file is None or file.endswith("__init__.py")
    origin = None if file is None else str(code.folder / file)
    spec = spec_from_loader(fullname, _SourceLoader(code, file), origin=origin, is_package=is_package)
    if spec is not None and is_package:
        spec.submodule_search_locations = [str(code.folder / fullname.replace(".", "/"))]
    if spec is not None:
        spec.has_location = origin is not None
    return spec


_FINDER = _CodeFinder()
