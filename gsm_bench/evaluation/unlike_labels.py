"""Results whose labels are unlike: of the same videos by other lists, or of several releases of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gsm_bench.evaluation.evaluation import Evaluation


def differing_labels(first: Evaluation, other: Evaluation) -> tuple[int, int]:
    """How many videos that both results have are labelled otherwise in a task, and how many have both labels.

    Videos are matched by id. Unknown labels, below 0, differ from none.
    """
    if first.truth is None or other.truth is None or first.truth is other.truth or first.unverified or other.unverified:
        return 0, 0
    rows = first.ids.rows_in(other.ids)
    differing, common = 0, 0
    for task in first.truth.labels.keys() & other.truth.labels.keys():
        labels, others = first.truth.labels[task][rows >= 0], other.truth.labels[task][rows[rows >= 0]]
        known = (labels >= 0) & (others >= 0)
        differing, common = differing + int((known & (labels != others)).sum()), common + int(known.sum())
    return differing, common


def label_notes(results: Sequence[Evaluation]) -> Iterator[str]:
    """Which releases of labels results have, and whose labels differ; nothing where a data set has one release."""
    versions: dict[str, dict[str, list[str]]] = {}
    for result in results:
        split = result.truth.split if result.truth else None
        dataset = result.truth.dataset if result.truth else None
        if split and dataset and split.name in dataset.splits and dataset.splits[split.name].versions:
            of_place = versions.setdefault(f"{dataset.name}/{split.name}", {})
            of_place.setdefault(split.version or "another list", []).append(result.label)
    for place, labels in versions.items():
        shown = "; ".join(f"{version} for {', '.join(dict.fromkeys(names))}" for version, names in labels.items())
        yield f"Labels of {place}: {shown if len(labels) > 1 else next(iter(labels))}."
    for at, result in enumerate(results):
        other = next((one for one in results[:at] if differing_labels(one, result)[0]), None)
        if other is not None:
            differing, common = differing_labels(other, result)
            yield (
                f"Unlike labels: those of {other.label} and {result.label} differ in {differing:,} of {common:,} videos that both "
                "have. Their accuracies cannot be compared."
            )
