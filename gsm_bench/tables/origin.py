"""What every row says of its origin: score file, data set, split, clips, weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gsm_bench.ensembles.member_files import MemberFile


def origin_items(files: Sequence[MemberFile], *, weighted: bool = True) -> dict[str, Any]:
    """Raw values of a row by the files that it is made of; of an ensemble, those of each member in lists.

    Args:
        weighted: whether a row of one file says its weight.
    """
    if not files:
        return {}
    first = files[0]
    items: dict[str, Any] = {
        "dataset": first.dataset,
        "split": first.split,
        "limit": first.limit,
        "place": first.place,
        "file": " + ".join(dict.fromkeys(str(file.path) for file in files)),
    }
    if len(files) == 1:
        return items | {"clips_per_video": first.clips} | ({"weight": first.weight} if weighted else {})
    return items | {
        "files": [str(file.path) for file in files],
        "clips_per_video": [file.clips for file in files],
        "weights": [file.weight for file in files],
    }


def common_place(places: Iterable[str]) -> str:
    """The one split of all rows; empty where they are of several, or of none that is known."""
    distinct = set(places)
    return distinct.pop() if len(distinct) == 1 else ""


def titled(title: str, place: str) -> str:
    """A title that names the split."""
    return ", ".join(filter(None, (title, place)))
