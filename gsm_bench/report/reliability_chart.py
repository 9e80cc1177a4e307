"""Reliability diagrams as SVG: accuracy by confidence, each bin a link to its videos."""

from __future__ import annotations

from markupsafe import Markup

from gsm_bench.evaluation.calibrate import Calibrated
from gsm_bench.metrics.calibration import Bin
from gsm_bench.report.addresses import view_address
from gsm_bench.report.scales import Scale
from gsm_bench.tables.render.cells import plain

SIDE, LEFT, BOTTOM, EDGE = 250, 46, 40, 10
LARGEST_PX = 8.0
"""Radius of the bin with most videos."""
SMALLEST_PX = 2.8


def reliability_chart(name: str, result: Calibrated, bins: int) -> Markup:
    """One diagram: unscaled bins as discs whose area is their number of videos, scaled ones as rings."""
    x = Scale(0, 100, LEFT, SIDE - EDGE)
    y = Scale(0, 100, SIDE - BOTTOM, EDGE)
    largest = max((one.videos for one in result.plain.bins), default=1)
    task = "" if result.task == "action" else f" {result.task}"
    title = plain(f"{name}{task}")
    discs = [_disc(name, result.task, one, bins, largest, x, y) for one in result.plain.bins]
    rings = [
        Markup('<circle class="ring" cx="{}" cy="{}" r="3.5"/>').format(x(100 * one.confidence), y(100 * one.accuracy))
        for one in result.scaled.bins
    ]
    return Markup(
        '<figure class="chart small"><svg viewBox="0 0 {side} {side}" role="group" aria-label="Accuracy by confidence, {title}">'
        "{axes}{rings}{discs}</svg><figcaption>{title}</figcaption></figure>"
    ).format(side=SIDE, title=title, axes=_axes(x, y), rings=Markup("").join(rings), discs=Markup("").join(discs))


def _disc(name: str, task: str, one: Bin, bins: int, largest: int, x: Scale, y: Scale) -> Markup:
    number = round(one.low * bins)
    words = (
        f"confidence {one.low:.2f} to {one.high:.2f}: {one.videos:,} videos, mean confidence {100 * one.confidence:.2f} %, "
        f"accuracy {100 * one.accuracy:.2f} %"
    )
    radius = max(SMALLEST_PX, LARGEST_PX * (one.videos / largest) ** 0.5)
    address = view_address("clips", by=name, bin=number, task=None if task == "action" else task)
    return Markup(
        '<a class="point bin" href="{}" aria-label="{words}"><circle cx="{}" cy="{}" r="{}"/><title>{words}</title></a>'
    ).format(address, x(100 * one.confidence), y(100 * one.accuracy), round(radius, 1), words=words)


def _axes(x: Scale, y: Scale) -> Markup:
    lines = [
        Markup(
            '<line class="grid" x1="{x0}" x2="{x1}" y1="{y}" y2="{y}"/><line class="grid" x1="{x}" x2="{x}" y1="{y0}" y2="{y1}"/>'
            '<text class="tick" x="{left}" y="{y}" dy="0.32em" text-anchor="end">{text}</text>'
            '<text class="tick" x="{x}" y="{below}" text-anchor="middle">{text}</text>'
        ).format(
            x0=x.start,
            x1=x.end,
            y0=y.start,
            y1=y.end,
            x=x(value),
            y=y(value),
            left=x.start - 6,
            below=y.start + 15,
            text=value,
        )
        for value in (0, 25, 50, 75, 100)
    ]
    return Markup("").join(
        [
            *lines,
            Markup('<line class="ideal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(x.start, y.start, x.end, y.end),
            Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">Confidence (%)</text>').format(
                (x.start + x.end) / 2, y.start + 32
            ),
            Markup(
                '<text class="axis" transform="translate(9 {}) rotate(-90)" text-anchor="middle">Accuracy (%)</text>'
            ).format((y.start + y.end) / 2),
        ]
    )
