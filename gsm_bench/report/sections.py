"""The sections of a split, in their order, and the arrays that their scripts read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.topk import BEYOND
from gsm_bench.report.content import ReportContent, ReportedResult, ReportedSplit
from gsm_bench.report.markup import table_markup
from gsm_bench.report.page import PageTexts, Section, SplitPage, page_html
from gsm_bench.report.payload import Payload, SplitPayload, smallest_unsigned
from gsm_bench.tables.render.cells import plain

SHOWN = 5
"""Best classes that a page keeps of each video and result."""


def report_html(content: ReportContent) -> str:
    """The whole report as one HTML document."""
    payload = Payload({"title": content.title, "command": content.command})
    pages = []
    for number, split in enumerate(content.splits):
        part = payload.split(split.key)
        add_videos(part, split)
        pages.append(SplitPage(split.key, f"s{number}", tuple(sections_of(split, part))))
    return page_html(page_texts(content), pages, payload)


def page_texts(content: ReportContent) -> PageTexts:
    """What stands above and below the sections."""
    counts = [f"{len(split.ids):,} videos of {split.title}, {len(split.results)} results" for split in content.splits]
    return PageTexts(
        title=plain(content.title),
        subtitle=plain("; ".join(counts)) + ".",
        footer=plain(f"Written {content.written} by gsmbench {content.version}: {content.command}."),
        messages=[plain(message) for message in content.messages],
    )


def sections_of(split: ReportedSplit, payload: SplitPayload) -> Iterator[Section]:
    """Every section that a split has something for."""
    from markupsafe import Markup

    yield Section("results", "Results", "", table_markup(split.leaderboard))
    yield Section("clips", "Videos", "", Markup(""))


def add_videos(payload: SplitPayload, split: ReportedSplit) -> None:
    """Ids, labels, ranks and predictions, as the package's docstring lists them."""
    videos = len(split.ids)
    predicting = [result for result in split.results if result.best]
    places = {id(result): at for at, result in enumerate(predicting)}
    payload.fact("videos", videos)
    payload.fact("tasks", list(split.class_names))
    payload.fact("classes", {task: list(names) for task, names in split.class_names.items()})
    payload.fact(
        "results",
        [
            {"name": result.name, "predictions": places.get(id(result), -1), "members": list(result.members)}
            for result in split.results
        ],
    )
    payload.add_json("ids", list(split.ids))
    for task, names in split.class_names.items():
        _add_task(payload, split, predicting, task, len(names))


def _add_task(
    payload: SplitPayload, split: ReportedSplit, predicting: list[ReportedResult], task: str, classes: int
) -> None:
    kind = smallest_unsigned(classes)
    unknown = np.iinfo(kind).max
    if task in split.labels:
        labels = split.labels[task]
        payload.add(f"{task}/labels", np.where(labels < 0, unknown, labels).astype(kind))
    ranks = [_ranks(result, task, classes, kind) for result in split.results]
    payload.add(f"{task}/ranks", np.stack(ranks))
    if predicting:
        best = [_in_rows(result.best[task].classes, result.rows, -1) for result in predicting]
        chances = [_in_rows(result.best[task].probabilities, result.rows, np.nan) for result in predicting]
        payload.add(f"{task}/classes", np.stack([np.where(b < 0, unknown, b).astype(kind) for b in best]))
        payload.add(f"{task}/permille", np.stack([permille(values) for values in chances]))


def _ranks(
    result: ReportedResult, task: str, classes: int, kind: type[np.unsignedinteger[Any]]
) -> NDArray[np.unsignedinteger[Any]]:
    """Rank of the label from 0 for each video; C for a label without a column; the highest value without a rank."""
    unknown = np.iinfo(kind).max
    accuracy = result.evaluation.accuracy.get(task)
    if accuracy is None:
        return np.full(len(result.rows), unknown, kind)
    ranks = _in_rows(accuracy.ranks, result.rows, -1)
    return np.where(ranks < 0, unknown, np.where(ranks == BEYOND, classes, ranks)).astype(kind)


def _in_rows(values: NDArray[Any], rows: NDArray[np.int64], absent: float) -> NDArray[Any]:
    """Values of a result in the rows of the split; `absent` where it has none."""
    placed = values[np.maximum(rows, 0)]
    placed[rows < 0] = absent
    return placed


def permille(probabilities: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Probabilities in thousandths, rounded as they are shown; 65535 unknown."""
    return np.where(np.isnan(probabilities), 65535, np.round(1000 * np.nan_to_num(probabilities))).astype(np.uint16)
