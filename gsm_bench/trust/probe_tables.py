"""What depends on time, as tables."""

from __future__ import annotations

import math

from gsm_bench.tables.table import Column, Table
from gsm_bench.trust.probe import FORWARD, PAPER, Probe

HEADINGS = {
    "forward": "Forward",
    "reversed": "Reversed",
    "shuffled": "Shuffled",
    "frozen": "One frame",
    "first half": "First half",
}
WORDS = {
    "forward": "as sampled", "reversed": "backwards", "shuffled": "in an order that the id decides",
    "frozen": "the middle one, repeated", "first half": "sampled from the first half of the video",
}  # fmt: skip


def probe_table(probe: Probe) -> Table:
    """A row per way in which frames are shown, and the paper's."""
    columns = (
        Column("name", "Frames"), Column("how", ""), Column("top1", "Top-1", "percent"), Column("difference", "Difference", "points"),
        Column("changed", "Other\npredictions", "count"), Column("moved", "Largest change\nof a score", "number"),
    )  # fmt: skip
    rows = [
        {
            "name": HEADINGS[one.name], "condition": one.name, "how": WORDS[one.name], "top1": one.top1, "top1_low95": one.interval.low,
            "top1_high95": one.interval.high, "difference": one.drop and one.drop.value,
            "difference_low95": one.drop and one.drop.low, "difference_high95": one.drop and one.drop.high,
            "changed": None if one.name == FORWARD else one.changed, "moved": None if one.name == FORWARD else one.moved,
        }
        for one in probe.conditions
    ]  # fmt: skip
    paper = tuple(
        {
            "name": f"Paper, {name}", "how": PAPER.network, "top1": percent / 100, "published": True, "source": PAPER.source,
            "difference": None if name == FORWARD else (percent - PAPER.forward) / 100,
        }
        for name, percent in ((FORWARD, PAPER.forward), ("reversed", PAPER.reversed))
    )  # fmt: skip
    task = "" if probe.task == "action" else f", {probe.task}"
    title = f"{probe.model}, {probe.place}{task}: {probe.videos:,} videos, one clip each"
    return Table(title, columns, (tuple(rows), paper), tuple(_notes(probe)), "probe")


def _notes(probe: Probe) -> list[str]:
    notes = [
        "Largest change of a score: divided by the standard deviation of all scores.",
        f"Paper: {PAPER.source}; all validation videos. It reports no change for TSN.",
    ]
    if probe.same_frames == probe.videos:
        notes.append(
            "Every clip is one frame, repeated: whether the order of frames matters cannot be seen on these videos."
        )
    elif not any(one.moved for one in probe.conditions):
        notes.append("Its scores do not depend on the frames: they are the same in every condition. Check the weights.")
    elif probe.sees_order:
        notes.append("The order of frames changes its scores: it uses time.")
    else:
        notes.append(
            "The order of frames changes its scores by rounding alone, as for TSN, which is the mean over its frames: "
            "no order, reversal or numbering of frames can be judged by it."
        )
    if 0 < probe.same_frames < probe.videos:
        notes.append(f"{probe.same_frames:,} of the videos show one frame, repeated: no order changes their scores.")
    if probe.bad:
        notes.append(f"{probe.bad:,} videos cannot be read and are left out.")
    return notes


def probe_classes_table(probe: Probe) -> Table:
    """A row per class, those that lose most with reversed frames first."""
    columns = (
        Column("class", "Class"), Column("videos", "Videos", "count"),
        *(Column(one.name.replace(" ", "_"), HEADINGS[one.name], "percent") for one in probe.conditions),
    )  # fmt: skip
    forward, backwards = probe.conditions[0].per_class, probe.conditions[1].per_class
    classes = [number for number, count in enumerate(probe.class_counts) if count]
    classes.sort(key=lambda number: (float(backwards[number] - forward[number]), number))
    rows = tuple(
        {
            "class": probe.class_names[number], "number": number, "videos": int(probe.class_counts[number]),
            **{one.name.replace(" ", "_"): _known(float(one.per_class[number])) for one in probe.conditions},
        }
        for number in classes
    )  # fmt: skip
    return Table("By class, the largest loss with reversed frames first", columns, (rows,), (), "classes")


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
