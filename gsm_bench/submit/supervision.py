"""Supervision levels checked against the models' registry entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gsm_bench.errors import SubmissionError
from gsm_bench.submit.targets import sls_words

PRETRAINING_LEVELS = {
    "none": 0, "imagenet": 1, "imagenet-21k": 1, "places365": 1,
    "kinetics": 2, "kinetics-400": 2, "kinetics-600": 2, "kinetics-700": 2, "sports-1m": 2, "something-something v2": 2,
    "videomae": 3,
}  # fmt: skip
"""The level of sls_pt for each pretraining that an entry names."""


def check_levels(sls: Mapping[str, int], pretraining: Iterable[str], trained_on: Iterable[str], dataset: str) -> None:
    """Refuse levels that the members' entries contradict; what no entry says is not checked.

    Args:
        sls: ``sls_pt``, ``sls_tl``, ``sls_td``.
        pretraining: of every member, empty if its entry does not say.
        trained_on: ``dataset/split`` names of all members.

    Raises:
        SubmissionError: a level contradicts an entry.
    """
    named = [text for text in pretraining if text]
    known = [PRETRAINING_LEVELS[text.lower()] for text in named if text.lower() in PRETRAINING_LEVELS]
    needed = max(known, default=None)
    complete = needed is not None and len(known) == len(list(pretraining))
    if needed is not None and (sls["sls_pt"] < needed or (complete and sls["sls_pt"] > needed)):
        raise SubmissionError(
            f"{sls_words('sls_pt', sls['sls_pt'])}, but the entries have pretraining {', '.join(dict.fromkeys(named))}",
            fix=f"--sls-pt {needed}, or correct `pretraining` of the entries",
        )
    names = set(trained_on)
    level = 4 if f"{dataset}/validation" in names else 3 if f"{dataset}/train" in names else None
    if level is not None and sls["sls_td"] < level:
        raise SubmissionError(
            f"{sls_words('sls_td', sls['sls_td'])}, but the entries have trained_on {', '.join(sorted(names))}",
            fix=f"--sls-td {level}, or correct `trained_on` of the entries",
        )
    if level == 3 and sls["sls_td"] == 4:
        raise SubmissionError(
            f"{sls_words('sls_td', 4)}, but the entries have trained_on {', '.join(sorted(names))}",
            fix="--sls-td 3, or correct `trained_on` of the entries",
        )
