"""Accuracy against cost as SVG: every point links to its videos and says its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gsm_bench.report.addresses import view_address
from gsm_bench.report.content import ReportedResult, ReportedSplit
from gsm_bench.report.markup import is_number
from gsm_bench.report.scales import Scale, is_wide, scale_of
from gsm_bench.tables.render.cells import cell_parts, plain
from gsm_bench.tables.table import Column

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 16, 48
LETTER_PX = 6.2
"""Width of a letter of a label, for labels that do not overlap."""
TOP1, COST = Column("top1", "Top-1", "percent"), Column("macs_paper", "GFLOPs", "giga")


@dataclass(frozen=True)
class ChartPoint:
    """A point: its name and words, cost in GFLOPs, accuracy in percent with its interval, and its kind."""

    name: str
    words: str
    cost: float
    top1: float
    low: float | None
    high: float | None
    kind: str
    address: str | None


def cost_chart(split: ReportedSplit) -> tuple[Markup, dict[str, Any]] | None:
    """The chart, and its scales for scripts; None without two points of known cost."""
    points = chart_points(split)
    if len(points) < 2:
        return None
    tried = split.search[0].tried if split.search else None
    costs = [point.cost for point in points]
    tops = [value for point in points for value in (point.top1, point.low, point.high) if value is not None]
    if tried is not None:
        costs += [value / 1e9 for value in tried.macs.tolist() if value > 0]
        tops += (100 * tried.accuracy).tolist()
    x = scale_of(costs, LEFT, WIDTH - RIGHT, log=is_wide(costs))
    y = scale_of(tops, HEIGHT - BOTTOM, TOP)
    front = pareto_points(points)
    body = Markup("").join(
        [
            _axes(x, y),
            Markup('<g class="tried"></g>'),
            _staircase(front, x, y),
            *(_point(point, x, y) for point in points),
            *_labels(front, points, x, y),
        ]
    )
    chart = Markup(
        '<figure class="chart"><svg viewBox="0 0 {w} {h}" role="group" aria-label="Top-1 accuracy against GFLOPs per video" '
        'data-chart="cost">{body}</svg>{legend}</figure>'
    ).format(w=WIDTH, h=HEIGHT, body=body, legend=_legend(points, tried is not None))
    scales = {"x": [x.low, x.high, x.start, x.end, int(x.log)], "y": [y.low, y.high, y.start, y.end, 0]}
    return chart, scales


def chart_points(split: ReportedSplit) -> list[ChartPoint]:
    """A point per row of the leaderboard with a cost; frames in another order are another question."""
    points = []
    rows = split.leaderboard.table.rows
    for row, result in zip(rows, split.results, strict=True):
        prefix = "" if "top1" in row else "action_"
        macs, top1 = row.get("macs_paper"), row.get(f"{prefix}top1")
        if not (is_number(macs) and macs and is_number(top1) and result.forward):
            continue
        points.append(_measured(row, result, prefix))
    return points


def _measured(row: Mapping[str, Any], result: ReportedResult, prefix: str) -> ChartPoint:
    top1, low, high = (row.get(f"{prefix}{key}") for key in ("top1", "top1_low95", "top1_high95"))
    accuracy = cell_parts({"top1": top1, "top1_low95": low, "top1_high95": high}, TOP1)
    words = f"{result.name}: {accuracy.value} %{accuracy.interval}, {cell_parts(row, COST).value} GFLOPs"
    return ChartPoint(
        name=plain(result.name),
        words=plain(words),
        cost=row["macs_paper"] / 1e9,
        top1=100 * row[f"{prefix}top1"],
        low=None if low is None else 100 * low,
        high=None if high is None else 100 * high,
        kind="ensemble" if result.members else "model",
        address=view_address("clips", wrong=result.name, task="action" if prefix else None),
    )


def pareto_points(points: Sequence[ChartPoint]) -> list[ChartPoint]:
    """The points that no cheaper or equally cheap one reaches in accuracy, the cheapest first."""
    front: list[ChartPoint] = []
    for point in sorted(points, key=lambda one: (one.cost, -one.top1)):
        if not front or point.top1 > front[-1].top1:
            front.append(point)
    return front


def _axes(x: Scale, y: Scale) -> Markup:
    lines = [
        Markup('<line class="grid" x1="{a}" x2="{b}" y1="{at}" y2="{at}"/><text class="tick" x="{t}" y="{at}" dy="0.32em" '
               'text-anchor="end">{text}</text>').format(a=LEFT, b=WIDTH - RIGHT, at=y(value), t=LEFT - 8, text=f"{value:g}")
        for value in y.ticks(6)
    ] + [
        Markup('<line class="grid" x1="{at}" x2="{at}" y1="{a}" y2="{b}"/><text class="tick" x="{at}" y="{t}" '
               'text-anchor="middle">{text}</text>').format(a=TOP, b=HEIGHT - BOTTOM, at=x(value), t=HEIGHT - BOTTOM + 18,
                                                            text=f"{value:g}")
        for value in x.ticks()
    ]  # fmt: skip
    return Markup("").join(
        [
            *lines,
            Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">GFLOPs per video</text>').format(
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8
            ),
            Markup(
                '<text class="axis" transform="translate(14 {}) rotate(-90)" text-anchor="middle">Top-1 (%)</text>'
            ).format((TOP + HEIGHT - BOTTOM) / 2),
        ]
    )


def _staircase(front: Sequence[ChartPoint], x: Scale, y: Scale) -> Markup:
    if len(front) < 2:
        return Markup("")
    path = f"M{x(front[0].cost)} {y(front[0].top1)}" + "".join(f"H{x(p.cost)}V{y(p.top1)}" for p in front[1:])
    return Markup('<path class="front" d="{}"/>').format(path)


def _point(point: ChartPoint, x: Scale, y: Scale) -> Markup:
    cx, cy = x(point.cost), y(point.top1)
    bar = ""
    if point.low is not None and point.high is not None:
        bar = Markup('<line class="whisker" x1="{x}" x2="{x}" y1="{a}" y2="{b}"/>').format(
            x=cx, a=y(point.low), b=y(point.high)
        )
    mark = (
        Markup('<rect x="{}" y="{}" width="10" height="10" rx="1"/>').format(round(cx - 5, 1), round(cy - 5, 1))
        if point.kind == "ensemble"
        else Markup('<circle cx="{}" cy="{}" r="5"/>').format(cx, cy)
    )
    return Markup(
        '<a class="point {kind}" href="{address}" aria-label="{words}">{bar}{mark}<title>{words}</title></a>'
    ).format(kind=point.kind, address=point.address, words=point.words, bar=bar, mark=mark)


def _labels(front: Sequence[ChartPoint], points: Sequence[ChartPoint], x: Scale, y: Scale) -> list[Markup]:
    """Names of the best points where they cover no other name and no point."""
    taken = [(x(point.cost) - 6, y(point.top1) - 6, x(point.cost) + 6, y(point.top1) + 6) for point in points]
    labels = []
    for point in reversed(front):
        text = point.name if len(point.name) <= 28 else f"{point.name[:27]}…"
        width, px, py = LETTER_PX * len(text), x(point.cost), y(point.top1)
        for left, top in ((px + 9, py - 14), (px - width - 9, py - 14), (px + 9, py + 2), (px - width - 9, py + 2)):
            box = (left, top, left + width, top + 12)
            inside = box[0] > LEFT and box[2] < WIDTH - RIGHT and box[1] > 0 and box[3] < HEIGHT - BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                labels.append(
                    Markup('<text class="label" x="{}" y="{}">{}</text>').format(
                        round(left, 1), round(top + 10, 1), text
                    )
                )
                break
    return labels


Box = tuple[float, float, float, float]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _legend(points: Sequence[ChartPoint], attempts: bool) -> Markup:
    kinds = {point.kind for point in points}
    marks = [Markup('<span class="key {}">{}</span>').format(kind, word) for kind, word in
             (("model", "model"), ("ensemble", "ensemble")) if kind in kinds]  # fmt: skip
    if attempts:
        marks.append(Markup('<span class="key attempt">ensemble that the search tried</span>'))
    marks.append(Markup('<span class="key line">best for its cost</span>'))
    return Markup("<figcaption>{}</figcaption>").format(Markup(" ").join(marks))
