"""What was set otherwise in two results, and what it changes together."""

from __future__ import annotations

from gsm_bench.evaluation.actions import SOURCE_WORDS
from gsm_bench.evaluation.compare import Comparison
from gsm_bench.evaluation.settings_diff import setting_differences
from gsm_bench.signatures import SettingChange
from gsm_bench.tables.table import Column, Table

LONGEST_VALUE = 40


def settings_diff_table(found: Comparison) -> Table:
    """What was set otherwise in the two results, and nothing else."""
    changes = setting_differences(found.first, found.second)
    sources = [SOURCE_WORDS[rule.source] for rule in found.rules]
    if len(set(sources)) > 1:
        changes.append(SettingChange("actions", *sources))
    rows = tuple(
        {
            "setting": change.name,
            "first": change.first,
            "second": change.second,
            "first_shown": _short(change.first),
            "second_shown": _short(change.second),
        }
        for change in changes
    )
    columns = (
        Column("setting", "Setting"),
        Column("first_shown", found.first.label),
        Column("second_shown", found.second.label),
    )
    notes = [] if changes else ["Nothing that could change a number was set otherwise."]
    for task in found.answers:
        clips, differing = found.differing(task)
        word = "" if task == "action" and not found.rules else f"{task}: "
        text = f"{word}together they change the answer to {differing:,} of {clips:,} clips"
        if task in found.labels:
            gained, lost = map(len, found.flipped(task))
            text += (
                f": {gained:,} are right only in {found.first.label}, {lost:,} only in {found.second.label}, "
                f"{differing - gained - lost:,} wrong in both"
            )
        notes.append(f"{text[0].upper()}{text[1:]}.")
    return Table("What was set otherwise", columns, (rows,), tuple(notes), "why")


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 13]}...{value[-10:]}"
