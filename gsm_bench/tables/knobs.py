"""What was set otherwise in two results, and what it changes together."""

from __future__ import annotations

import numpy as np

from gsm_bench.ensembles.actions import SOURCE_WORDS
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.signatures import Knob, differing_knobs
from gsm_bench.tables.comparison import Comparison, Side
from gsm_bench.tables.table import Column, Table

MADE_ELSEWHERE = "not known: made elsewhere"
LONGEST_VALUE = 40


def knobs_table(found: Comparison) -> Table:
    """What was set otherwise in the two results, and nothing else."""
    knobs = _knobs(found.first, found.second)
    sources = [SOURCE_WORDS[rule.source] for rule in found.rules]
    if len(set(sources)) > 1:
        knobs.append(Knob("actions", *sources))
    rows = tuple(
        {
            "knob": knob.name,
            "first": knob.first,
            "second": knob.second,
            "first_shown": _short(knob.first),
            "second_shown": _short(knob.second),
        }
        for knob in knobs
    )
    columns = (
        Column("knob", "Knob"),
        Column("first_shown", found.first.label),
        Column("second_shown", found.second.label),
    )
    notes = [] if knobs else ["Nothing that could change a number was set otherwise."]
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


def _knobs(first: Side, second: Side) -> list[Knob]:
    one, other = {_name(m): m for m in first.members}, {_name(m): m for m in second.members}
    if len(one) == len(other) == 1:
        knobs = _member_knobs("", first.members[0], second.members[0])
    else:
        knobs = [Knob("member", name, "-") for name in one if name not in other]
        knobs += [Knob("member", "-", name) for name in other if name not in one]
        for name in (name for name in one if name in other):
            knobs += _member_knobs(f"{name}: ", one[name], other[name])
    spaces = [_spaces(side) for side in (first, second)]
    if spaces[0] != spaces[1] and (len(first.members), len(second.members)) != (1, 1):
        knobs.append(Knob("space", *spaces))
    return knobs


def _member_knobs(prefix: str, one: OpenMember, other: OpenMember) -> list[Knob]:
    signatures = [str(member.head.provenance.get("signature") or "") for member in (one, other)]
    if not all(signatures):
        knobs = [Knob("signature", *(signature or MADE_ELSEWHERE for signature in signatures))]
    else:
        knobs = differing_knobs(*signatures)
    if _views(one) != _views(other):
        knobs.append(Knob("clips taken, offsets in ticks", _views(one), _views(other)))
    if not np.isclose(one.weight, other.weight):
        knobs.append(Knob("weight", f"{one.weight:.4g}", f"{other.weight:.4g}"))
    return [Knob(prefix + knob.name, knob.first, knob.second) for knob in knobs]


def _name(member: OpenMember) -> str:
    return f"{member.spec.label}@{member.spec.clips}" if (member.spec.clips or 1) > 1 else member.spec.label


def _views(member: OpenMember) -> str:
    return ", ".join(f"{offset:g}" for offset in member.head.views[member.views]["offset"])


def _spaces(side: Side) -> str:
    tasks = common_tasks(side.members)
    return ", ".join(dict.fromkeys(fusion_space(side.members, task, side.space) for task in tasks))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 13]}...{value[-10:]}"
