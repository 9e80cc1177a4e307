"""Score a split with a model from Python."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.errors import GsmBenchError, NetworkError
from gsm_bench.scorefile import ScoreFile

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench

PATHS = ("data", "frames", "out")


def score_model(bench: Bench, model: str, options: Mapping[str, Any]) -> ScoreFile:
    """Run or resume scoring and open what it wrote; see `Bench.score`."""
    if find_spec("torch") is None:
        raise NetworkError("scoring needs torch", fix="pip install 'gsm-bench[score]'")
    from dataclasses import fields

    from gsm_bench.scoring.prepare import Request, prepare
    from gsm_bench.scoring.resume import open_run
    from gsm_bench.scoring.run import run

    known = {field.name for field in fields(Request)} - {"model"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise GsmBenchError(f"score has no option {unknown[0]!r}", fix=f"options are {', '.join(sorted(known))}")
    options = {name: Path(value) if name in PATHS and value else value for name, value in options.items()}
    job, loaded = prepare(Request(model, **options), bench.manifest, bench.workspace)
    outcome = run(open_run(job), loaded.network)
    if outcome.path is None:
        raise GsmBenchError(
            f"this shard is done, and {outcome.chunks_left} chunks are left to others", fix="open it when they are done"
        )
    return ScoreFile.open(outcome.path)
