"""What runs here: versions, cores, memory, disk, threads, GPU, codecs, and what is installed for what.

Nothing here needs torch; what is not installed, or cannot be imported, is reported in its place.
"""

from __future__ import annotations

import importlib
import locale
import os
import platform
import re
import resource
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import groupby
from pathlib import Path
from typing import Any

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import GsmBenchError
from gsm_bench.run_origin import code_commit
from gsm_bench.tables.table import Column, Table
from gsm_bench.usable_memory import usable_memory
from gsm_bench.workspace import Workspace

DISTRIBUTION = "gsm-bench"
PURPOSES = {
    "": "fusion, metrics, tables",
    "score": "scoring, packing, doctor data",
    "ray": "score --engine ray",
    "figures": "figure",
    "parquet": "import and export of parquet",
    "remote": "frames at URLs",
}
"""What the packages of each extra are for; those of development are left out."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
DECODERS = (
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "av1",
    "mpeg4",
    "mpeg2video",
    "wmv2",
    "flv",
    "theora",
    "mjpeg",
    "gif",
    "prores",
)
"""Decoders of FFmpeg that the usual data sets need."""
LOW_DISK, LOW_MEMORY, FEW_FILES = 2e9, 2e9, 1024
"""Bytes and open files below which runs may stop."""
REQUIREMENT = re.compile(r"""([\w.-]+)\s*(?:>=\s*([\d.]+))?[^;]*(?:;\s*extra\s*==\s*['"](\w+)['"])?""")


@dataclass(frozen=True)
class Fact:
    """One line of the report; `part` groups lines."""

    part: str
    what: str
    value: str


@dataclass(frozen=True)
class Environment:
    """The machine and what is installed on it.

    Attributes:
        facts: line by line.
        problems: what keeps a command from working, or makes it slow, each with its fix.
    """

    facts: tuple[Fact, ...]
    problems: tuple[str, ...]


def examine_environment(workspace: Workspace) -> Environment:
    """Look at the machine, the packages and the workspace; the home directory is written as ``~``."""
    facts: list[Fact] = []
    problems: list[str] = []
    for part, look in PARTS.items():
        for what, value in look(workspace, problems):
            facts.append(Fact(part, what, _without_home(value)))
    return Environment(tuple(facts), tuple(map(_without_home, problems)))


def environment_table(environment: Environment) -> Table:
    """Fact by fact, in blocks; the problems as notes."""
    blocks = tuple(
        tuple({"part": fact.part, "what": fact.what, "value": fact.value} for fact in facts)
        for _, facts in groupby(environment.facts, key=lambda fact: fact.part)
    )
    notes = tuple(f"Problem: {problem}." for problem in environment.problems)
    return Table("", (Column("what", "Environment"), Column("value", "")), blocks, notes, name="environment")


Lines = Iterator[tuple[str, str]]


def _program(_: Workspace, __: list[str]) -> Lines:
    from gsm_bench.kernels import COMPILED

    installed, commit = version(DISTRIBUTION), code_commit()
    yield "gsmbench", installed if commit == installed else f"{installed}, commit {commit[:12]}"
    yield "inner loops", "compiled" if COMPILED else "numpy (no compiler when it was installed): the same bits, slower"
    yield "python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    yield "system", platform.platform(terse=True)
    encodings = {"stdout": sys.stdout.encoding, "files": sys.getfilesystemencoding(), "locale": locale.getencoding()}
    yield "encodings", ", ".join(f"{name} {value}" for name, value in encodings.items())


def _machine(workspace: Workspace, problems: list[str]) -> Lines:
    usable, cores = usable_cpus(), os.cpu_count() or 1
    yield "cores", f"{cores}" if usable == cores else f"{usable} usable of {cores}"
    total, free = usable_memory()
    if total:
        yield "memory", f"{_gigabytes(free)} free of {_gigabytes(total)}"
        if free < LOW_MEMORY:
            problems.append(f"little free memory ({_gigabytes(free)}): use a small --batch, or close other programs")
    try:
        disk = shutil.disk_usage(workspace.root)
        yield "disk", f"{_gigabytes(disk.free)} free of {_gigabytes(disk.total)} at the workspace"
        if disk.free < LOW_DISK:
            problems.append(f"little free disk space ({_gigabytes(disk.free)}) at the workspace")
    except OSError as error:
        yield "disk", f"unknown: {error.strerror}"
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield "open files", "unlimited" if files == resource.RLIM_INFINITY else f"at most {files:,}"
    if 0 <= files < FEW_FILES:
        problems.append(f"at most {files} files can be open: ulimit -n 4096")
    settings = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    yield "threads", ", ".join(settings) or "no variable set"


def _gpu(_: Workspace, problems: list[str]) -> Lines:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        yield "GPU", "not looked for: torch is not installed" if _absent(error, "torch") else f"torch fails: {error}"
        if not _absent(error, "torch"):
            problems.append(f"torch is installed and cannot be imported ({error}): install it again")
        return
    yield "torch threads", f"{torch.get_num_threads()} in a pass"
    if torch.version.cuda is None and torch.version.hip is None:
        yield "GPU", f"not used: torch {torch.__version__} is a build for the CPU"
        if Path("/proc/driver/nvidia/version").exists():
            problems.append("there is an NVIDIA driver, but torch is a build for the CPU: install torch for CUDA")
        return
    count = torch.cuda.device_count()
    yield "GPU", f"{count or 'none'} usable, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    for at in range(count):
        card = torch.cuda.get_device_properties(at)
        yield f"cuda:{at}", f"{card.name}, {_gigabytes(card.total_memory)}, capability {card.major}.{card.minor}"


def _codecs(_: Workspace, problems: list[str]) -> Lines:
    yield "pictures", _tried("PIL.features", _picture_codecs, problems)
    yield "JPEG", _tried("simplejpeg", lambda module: f"simplejpeg {getattr(module, '__version__', '?')}", problems)
    yield "videos", _tried("av", _video_codecs, problems)
    yield "HDF5", _tried("h5py", lambda module: f"{module.version.hdf5_version} (h5py {module.__version__})", problems)


def _picture_codecs(features: Any) -> str:
    names = ("libjpeg_turbo", "zlib", "webp", "avif")
    known = {name: features.check(name) and features.version(name) for name in names}
    return ", ".join(f"{name} {number or 'missing'}" for name, number in known.items())


def _video_codecs(av: Any) -> str:
    codec = importlib.import_module("av.codec").Codec
    missing = [name for name in DECODERS if not _opens(codec, name)]
    library = ".".join(map(str, getattr(av, "library_versions", {}).get("libavcodec", ())))
    words = f"without {', '.join(missing)}" if missing else f"all of {', '.join(DECODERS)}"
    return f"PyAV {av.__version__}, libavcodec {library}, decoders: {words}"


def _opens(codec: Callable[[str, str], object], name: str) -> bool:
    try:
        codec(name, "r")
    except ValueError:
        return False
    return True


def _tried(module: str, describe: Callable[[Any], str], problems: list[str]) -> str:
    """What a module says of itself, or why it does not."""
    try:
        return describe(importlib.import_module(module))
    except ImportError as error:
        if _absent(error, module.partition(".")[0]):
            return "not installed: pip install 'gsm-bench[score]'"
        problems.append(f"{module} is installed and cannot be imported ({error}): install it again")
        return f"fails: {error}"


def _packages(_: Workspace, problems: list[str]) -> Lines:
    for extra, names in _required().items():
        installed = {name: _installed(name) for name in names}
        missing = [name for name, number in installed.items() if number is None]
        old = [(name, number) for name, number in installed.items() if number and _older(number, names[name])]
        label = f"for {PURPOSES[extra]}"
        words = ", ".join(f"{name} {number}" for name, number in installed.items() if number)
        install = f"pip install 'gsm-bench[{extra}]'" if extra else "pip install gsm-bench"
        yield label, "; ".join(filter(None, (words, f"missing {', '.join(missing)}: {install}" if missing else "")))
        problems += [f"{name} {number} is older than {names[name]}: {install}" for name, number in old]
        if missing and not extra:
            problems.append(f"{', '.join(missing)} not installed: {install}")


def _required() -> dict[str, dict[str, str]]:
    """Least versions by package, by extra, as the installed distribution declares them."""
    required: dict[str, dict[str, str]] = defaultdict(dict)
    for text in requires(DISTRIBUTION) or ():
        if match := REQUIREMENT.fullmatch(text.strip()):
            name, least, extra = match[1], match[2] or "", match[3] or ""
            if extra in PURPOSES:
                required[extra][name] = least
    return {extra: required[extra] for extra in PURPOSES if required[extra]}


def _workspace(workspace: Workspace, problems: list[str]) -> Lines:
    from gsm_bench.manifest import load_manifest

    yield "folder", str(workspace.root)
    present = [name for name in ("manifests", "checkpoints", "data", "scores") if (workspace.root / name).is_dir()]
    yield "holds", ", ".join(present) or "none of its usual folders"
    try:
        manifest = load_manifest(workspace)
    except GsmBenchError as error:
        yield "registry", "cannot be read"
        problems.append(str(error))
        return
    own = [origin for origin in manifest.origins.values() if not origin.shipped]
    yield (
        "registry",
        f"{len(manifest.models)} models, {len(manifest.datasets)} data sets, {len(own)} entries of your own",
    )
    problems += [str(problem) for problem in manifest.problems]


PARTS: dict[str, Callable[[Workspace, list[str]], Lines]] = {
    "program": _program, "machine": _machine, "gpu": _gpu, "codecs": _codecs, "packages": _packages,
    "workspace": _workspace,
}  # fmt: skip
"""The parts of the report, in its order."""


def _absent(error: ImportError, name: str) -> bool:
    """Whether an import failed because the package is not installed."""
    return isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == name


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _older(number: str, least: str) -> bool:
    """Whether a version is below another; only leading numbers are compared."""
    return bool(least) and _numbers(number) < _numbers(least)


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"


def _without_home(text: str) -> str:
    home = str(Path.home())
    return re.sub(rf"{re.escape(home)}(?=/|\W|$)", "~", text) if home not in ("", "/") else text
