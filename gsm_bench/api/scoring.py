"""Score a split with a model from Python."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.errors import GsmBenchError, NetworkError
from gsm_bench.places import place_of
from gsm_bench.scorefile import ScoreFile

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.scoring.prepare import Request

PATHS = ("data", "out")


def score_model(bench: OpenWorkspace, model: str, options: Mapping[str, Any]) -> ScoreFile:
    """Run or resume scoring and open what it wrote; see `Bench.score`."""
    request = request_of(model, options)
    from gsm_bench.scoring.prepare import prepare
    from gsm_bench.scoring.resume import open_run
    from gsm_bench.scoring.run import run

    job, loaded = prepare(request, bench.manifest, bench.workspace)
    outcome = run(open_run(job), loaded.network)
    if outcome.path is None:
        raise GsmBenchError(
            f"this shard is done, and {outcome.chunks_left} chunks are left to others", fix="open it when they are done"
        )
    return ScoreFile.open(outcome.path)


def request_of(model: str, options: Mapping[str, Any]) -> Request:
    """A request to score; raises GsmBenchError for an option that `score` does not have, or without torch."""
    if find_spec("torch") is None:
        raise NetworkError("scoring needs torch", fix="pip install 'gsm-bench[score]'")
    from dataclasses import fields

    from gsm_bench.scoring.prepare import Request

    known = {field.name for field in fields(Request)} - {"model"}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise GsmBenchError(f"score has no option {unknown[0]!r}", fix=f"options are {', '.join(sorted(known))}")
    values: dict[str, Any] = {
        name: Path(value) if name in PATHS and value else value for name, value in options.items()
    }
    if options.get("frames"):
        values["frames"] = place_of(options["frames"])
    return Request(model, **values)
