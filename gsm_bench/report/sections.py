"""The sections of a split, in their order, with the arrays and facts that their scripts read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from gsm_bench.evaluation.calibrate import bins_of
from gsm_bench.evaluation.class_order import confused_order
from gsm_bench.evaluation.epic import TASKS as EPIC_TASKS
from gsm_bench.report.addresses import view_address
from gsm_bench.report.cascade import add_cascades
from gsm_bench.report.content import ReportContent, ReportedSplit, ReportedTable
from gsm_bench.report.cost_chart import cost_chart
from gsm_bench.report.frames import add_frames
from gsm_bench.report.markup import Link, table_json, table_markup
from gsm_bench.report.origins import origins_markup
from gsm_bench.report.page import PageTexts, Section, SplitPage, page_html
from gsm_bench.report.payload import Payload, SplitPayload
from gsm_bench.report.playground import add_playground
from gsm_bench.report.reliability_chart import reliability_chart
from gsm_bench.report.videos import add_videos
from gsm_bench.tables.per_class import confusions_table, per_class_table
from gsm_bench.tables.render.cells import plain
from gsm_bench.tables.table import Table

LINKED = ("top1", "top5")
SCRIPTED = Markup('<p class="soft no-script">This part needs scripts.</p>')
CONFUSIONS = 30
"""Confused pairs that are listed for each result; the matrix has all."""


def report_html(content: ReportContent) -> str:
    """The whole report as one HTML document."""
    payload = Payload({"title": content.title})
    pages = []
    for number, split in enumerate(content.splits):
        part = payload.split(split.key)
        add_videos(part, split)
        add_panels(part, split)
        pages.append(SplitPage(split.key, f"s{number}", tuple(sections_of(split, part))))
    return page_html(page_texts(content), pages, payload)


def page_texts(content: ReportContent) -> PageTexts:
    """What stands above and below the sections."""
    counts = [f"{len(split.ids):,} videos of {split.title} ({split.key})" for split in content.splits]
    return PageTexts(
        title=plain(content.title),
        subtitle=plain("; ".join(counts)) + ".",
        footer=plain(f"Written {content.written} by gsmbench {content.version}: {content.command}"),
        messages=[plain(message) for message in content.messages],
        pictures_beside=any(split.frames and split.frames.outside for split in content.splits),
    )


def sections_of(split: ReportedSplit, payload: SplitPayload) -> Iterator[Section]:
    """Every section that a split has something for."""
    yield _results(split)
    yield from _cost(split, payload)
    yield from _members(split, payload)
    yield from _playground(split)
    yield from _cascade(split)
    yield from _classes(split, payload)
    yield from _epic(split)
    yield from _reliability(split)
    yield Section(
        "clips",
        "Videos",
        "Every number above opens its videos here. Press j and k to move, / to search.",
        Markup('<p class="soft no-script">This list needs scripts.</p>'),
    )
    yield Section(
        "provenance",
        "Provenance",
        "The score files behind every number, with digests, settings, commands and versions.",
        origins_markup(split.files),
    )


def _results(split: ReportedSplit) -> Section:
    lead = (
        "Each row is a model with its number of clips, or an ensemble. Follow an accuracy to the videos that are right; "
        "a heading sorts."
    )
    return Section("results", "Results", lead, _linked(split, split.leaderboard) + _all_linked(split, split.paper))


def origin_link(split: ReportedSplit, table: Table) -> Link:
    """Accuracies of rows that are results of the leaderboard open the videos that they have right."""
    rows = zip(split.leaderboard.table.rows, split.results, strict=True)
    names = {_origin(row): result.name for row, result in rows}
    own = [names.get(_origin(row)) for row in table.rows]

    def link(row: int, key: str) -> str | None:
        task, _, measure = key.rpartition("_")
        if own[row] is None or measure not in LINKED or task == "published":
            return None
        k = None if measure == "top1" else 5
        return view_address("clips", right=own[row], k=k, task=task or table.rows[row].get("task"))

    return link


def _origin(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The score files of a row, with the clips and the weight of each; None where it does not say them."""
    if not row.get("file"):
        return None
    return tuple(str(row.get(key)) for key in ("file", "clips_per_video", "weights"))


def _linked(split: ReportedSplit, reported: ReportedTable) -> Markup:
    return table_markup(reported, origin_link(split, reported.table))


def _all_linked(split: ReportedSplit, tables: Iterable[ReportedTable]) -> Markup:
    """Tables one below the other."""
    return Markup("").join(Markup('<div class="sub">{}</div>').format(_linked(split, table)) for table in tables)


def _cost(split: ReportedSplit, payload: SplitPayload) -> Iterator[Section]:
    pair = cost_chart(split)
    if pair is None:
        return
    chart, scales = pair
    payload.fact("cost", scales)
    lead = "Top-1 with its 95% interval against the cost of one video. Follow a point to the videos that it has wrong."
    yield Section("cost", "Accuracy and cost", lead, chart)


def _members(split: ReportedSplit, payload: SplitPayload) -> Iterator[Section]:
    if split.search is None:
        return
    result, tables = split.search
    if result.tried is not None:
        payload.fact("choices", [choice.label for choice in result.choices])
        payload.add_json(
            "attempts",
            {
                "members": ["".join("01"[held] for held in row) for row in result.tried.members.tolist()],
                "gflops": [None if value != value else value / 1e9 for value in result.tried.macs.tolist()],
                "top1": result.tried.accuracy.tolist(),
            },
        )
    body = _all_linked(split, tables)
    lead = (
        "Every subset of the best models was tried: the best for each cost, and what each member of the best one adds."
    )
    yield Section("members", "Ensembles", lead, body)


def add_panels(payload: SplitPayload, split: ReportedSplit) -> None:
    """Arrays of what scripts compute with and draw."""
    for playground in split.playgrounds:
        add_playground(payload, playground)
    if split.cascades:
        add_cascades(payload, split.cascades)
    if split.frames:
        add_frames(payload, split.frames)


def _playground(split: ReportedSplit) -> Iterator[Section]:
    if split.playgrounds:
        lead = (
            "Tick members and set their weights: top-1 and top-5 of the fused scores follow. "
            "The page computes them from rounded scores; the library's exact figures stand beside each saved ensemble."
        )
        yield Section("playground", "Playground", lead, SCRIPTED)


def _cascade(split: ReportedSplit) -> Iterator[Section]:
    if split.cascades:
        lead = (
            "Later members run only on videos whose confidence so far is at most the threshold. "
            "Drag it: accuracy and mean cost follow."
        )
        yield Section("cascade", "Cascade", lead, SCRIPTED)


def _classes(split: ReportedSplit, payload: SplitPayload) -> Iterator[Section]:
    predicting = [result for result in split.results if result.classes]
    tasks = [task for task in split.class_names if any(task in result.classes for result in predicting)]
    if not tasks:
        return
    for task in tasks:
        evaluations = {result.name: result.classes[task] for result in predicting if task in result.classes}
        first = next(iter(evaluations.values()))
        payload.add_json(f"{task}/order", confused_order(first.matrix).tolist(), blob="classes")
        tables = {name: table_json(per_class_table(one)) for name, one in evaluations.items()}
        payload.add_json(f"{task}/per-class", tables, blob="classes")
        pairs = {name: table_json(confusions_table(one, CONFUSIONS)) for name, one in evaluations.items()}
        payload.add_json(f"{task}/confusions", pairs, blob="classes")
    script = Markup('<p class="soft no-script">This table needs scripts.</p>')
    yield Section("classes", "Classes", "Accuracy class by class, and the difference between two results.", script)
    yield Section(
        "confusion",
        "Confusion",
        "Rows are true classes, columns predicted ones; confused classes are adjacent.",
        script,
    )


def _epic(split: ReportedSplit) -> Iterator[Section]:
    if split.epic:
        tables = (table_markup(table, _epic_link(split, table.table)) for table in split.epic)
        body = Markup("").join(Markup('<div class="sub">{}</div>').format(table) for table in tables)
        lead = "Verbs, nouns and actions as EPIC-KITCHENS reports them: tail classes, unseen participants, many-shot classes."
        yield Section("epic", "Verbs, nouns and actions", lead, body)


def _epic_link(split: ReportedSplit, table: Table) -> Link:
    """Top-1 and top-5 over all segments open the segments that are right."""
    names = {(result.evaluation.label, result.evaluation.frames): result.name for result in split.results}

    def link(row: int, key: str) -> str | None:
        values = table.rows[row]
        name = names.get((values["label"], values["frames"]))
        if name is None or key not in EPIC_TASKS or values["part"] != "all" or values["measure"] not in LINKED:
            return None
        return view_address("clips", right=name, k=None if values["measure"] == "top1" else 5, task=key)

    return link


def _reliability(split: ReportedSplit) -> Iterator[Section]:
    if not split.calibrated:
        return
    bins = bins_of([result for _, result in split.calibrated])
    charts = Markup("").join(reliability_chart(name, result, bins) for name, result in split.calibrated)
    summary, *details = split.calibration
    body = Markup('<div class="charts">{}</div>{}{}').format(
        charts, _linked(split, summary), Markup("").join(_folded(table) for table in details)
    )
    lead = (
        "Accuracy by confidence of the most accurate results. Discs: as they are, their area the number of videos; rings: "
        "scaled by a temperature. Follow a disc to its videos."
    )
    yield Section("reliability", "Reliability", lead, body)


def _folded(table: ReportedTable) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(plain(table.table.title), table_markup(table))
