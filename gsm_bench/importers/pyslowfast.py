"""Dumps of PySlowFast: ``[preds, labels]``, where preds is the *sum* of the softmax over all views. No ids."""

from __future__ import annotations

from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, is_numeric, label_numbers, score_array


def fits(source: DumpSource) -> bool:
    value = source.value
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and is_numeric(value[0], 2)
        and value[0].dtype.kind == "f"
        and is_numeric(value[1], 1)
        and len(value[0]) == len(value[1])
    )


def read(sources: list[DumpSource]) -> Dump:
    (source,) = sources
    preds, labels = source.value
    scores = score_array(preds, "the predictions", source.path)
    return Dump(
        "pyslowfast",
        {"action": scores},
        labels={"action": label_numbers(labels, len(preds), source.path)},
        usual="probabilities",
    )
