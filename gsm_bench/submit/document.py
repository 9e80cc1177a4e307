"""The JSON of a submission and its zip, written block by block."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from isal import isal_zlib
from stream_zip import ZIP_32, stream_zip

from gsm_bench.submit.server_scores import ServerScores
from gsm_bench.submit.targets import CHALLENGE, Target

WRITTEN_ROWS = 256
"""Segments turned into text at once."""
DEFLATE_LEVEL = 3
"""For isal, which packs 77 MB of scores to 31.7 MB in 0.2 s; zlib needs 1.5 s for that."""
NO_DATE = datetime(1980, 1, 1, tzinfo=UTC)
"""The date of files in a zip, so that equal scores give equal bytes."""
MODE = 0o644


def json_pieces(content: ServerScores, target: Target) -> Iterator[bytes]:
    """The JSON file as bytes, some segments at a time."""
    head = {"version": target.version, "challenge": CHALLENGE, **content.sls}
    yield orjson.dumps(head)[:-1] + b',"results":{'
    for start in range(0, len(content), WRITTEN_ROWS):
        rows = _results(content, slice(start, start + WRITTEN_ROWS))
        yield (b"," if start else b"") + orjson.dumps(rows)[1:-1]
    yield b"}}"


def write_json(path: Path, content: ServerScores, target: Target) -> None:
    """Write the bare JSON file."""
    with path.open("wb") as file:
        file.writelines(json_pieces(content, target))


def write_zip(path: Path, members: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Write a zip without folders from names and contents."""
    files = ((name, NO_DATE, MODE, ZIP_32, pieces) for name, pieces in members)
    with path.open("wb") as file:
        file.writelines(stream_zip(files, chunk_size=1 << 20, get_compressobj=_deflate, extended_timestamps=False))


def _deflate() -> Any:
    return isal_zlib.compressobj(DEFLATE_LEVEL, isal_zlib.DEFLATED, -zlib.MAX_WBITS)


def _results(content: ServerScores, rows: slice) -> dict[str, dict[str, dict[str, float]]]:
    classes = {"verb": _keys(content.verb.shape[1]), "noun": _keys(content.noun.shape[1])}
    verb, noun = content.verb[rows].tolist(), content.noun[rows].tolist()
    results = {
        name: {
            "verb": dict(zip(classes["verb"], verb[at], strict=True)),
            "noun": dict(zip(classes["noun"], noun[at], strict=True)),
        }
        for at, name in enumerate(content.ids[rows])
    }
    best = content.actions
    if best is not None:
        pairs = zip(
            results.values(),
            best.verbs[rows].tolist(),
            best.nouns[rows].tolist(),
            best.scores[rows].tolist(),
            strict=True,
        )
        for result, verbs, nouns, scores in pairs:
            result["action"] = {f"{v},{n}": score for v, n, score in zip(verbs, nouns, scores, strict=True)}
    return results


def _keys(classes: int) -> list[str]:
    return [str(number) for number in range(classes)]
