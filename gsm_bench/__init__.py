"""Ensemble evaluation and benchmark submission for video action recognition.

`Bench` opens a workspace; `from_arrays`, `evaluate` and `fuse` work on arrays alone. Importing the package loads
nothing else: names are loaded when they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the time of this package's
if TYPE_CHECKING:
    from typing import Any

    from gsm_bench import errors
    from gsm_bench.api import results
    from gsm_bench.api.arrays import from_arrays
    from gsm_bench.api.bench import Bench
    from gsm_bench.api.direct import check, evaluate, fuse
    from gsm_bench.scorefile import ScoreFile

    __version__: str

__all__ = ["Bench", "ScoreFile", "__version__", "check", "errors", "evaluate", "from_arrays", "fuse", "results"]

_PLACES = {
    "Bench": "gsm_bench.api.bench",
    "ScoreFile": "gsm_bench.scorefile",
    "check": "gsm_bench.api.direct",
    "evaluate": "gsm_bench.api.direct",
    "from_arrays": "gsm_bench.api.arrays",
    "fuse": "gsm_bench.api.direct",
}
_MODULES = {"errors": "gsm_bench.errors", "results": "gsm_bench.api.results"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PLACES:
        value = getattr(import_module(_PLACES[name]), name)
    elif name in _MODULES:
        value = import_module(_MODULES[name])
    elif name == "__version__":
        from importlib.metadata import version

        value = version("gsm-bench")
    else:
        raise AttributeError(f"module 'gsm_bench' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
