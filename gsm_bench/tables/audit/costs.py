"""Costs and parameters: those of frames x views x members are the sums of the single ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gsm_bench.tables.audit.printed import Number, PrintedRow, PrintedTable, members_of

NEARLY = 0.03
"""Costs that miss proportionality to frames by more are of a network whose costs are not proportional."""


@dataclass(frozen=True)
class CostRow:
    """A row with its frames and views by member, and its total cost."""

    row: PrintedRow
    members: tuple[tuple[int, int], ...]
    cost: Number

    @property
    def single(self) -> bool:
        return len(self.members) == 1 and self.members[0][1] == 1


def check_costs(table: PrintedTable) -> Iterator[tuple[str, str]]:
    """Row and fault of each cost that is not what the costs of single clips give."""
    frames = table.columns("frames")
    for column in table.columns("cost") if frames else []:
        families: dict[str, list[CostRow]] = defaultdict(list)
        for row in table.rows:
            members, cost = members_of(row.cells[frames[0]].text), _total(table, row, column)
            if members and cost:
                families[family_of(table, row)].append(CostRow(row, tuple(members), cost))
        for rows in families.values():
            yield from _check_family(table, rows)


def family_of(table: PrintedTable, row: PrintedRow) -> str:
    """The network of a row: its texts without the name of an ensemble."""
    text = " ".join(row.cells[at].text for at in [*table.texts, *table.columns("context")])
    return " ".join(re.sub(r"\b(en|ens|ensemble)[ -]?\d*\b", "", text.lower()).split())


def _total(table: PrintedTable, row: PrintedRow, column: int) -> Number | None:
    """The cost over all clips: ``66.5x30`` says it per clip."""
    cost = table.number(row, column)
    text = row.cells[column].text.replace("\u00d7", "x").replace(" ", "")
    clips = re.fullmatch(r"[\d.]+x(\d+)\*?", text)
    if cost and clips:
        in_gflops = row.cells[column].number  # as printed: a raw column holds such a text only where it is shown so
        return in_gflops.scaled(int(clips[1])) if in_gflops else None
    return None if text.endswith("*") else cost


def _check_family(table: PrintedTable, rows: Sequence[CostRow]) -> Iterator[tuple[str, str]]:
    singles = {row.members[0][0]: row for row in rows if row.single}
    wrong = _out_of_proportion(singles)
    printed = {frames: row.cost for frames, row in singles.items()}
    corrected = printed | wrong
    use: dict[int, tuple[list[str], list[str]]] = {frames: ([], []) for frames in wrong}
    for row in (row for row in rows if not row.single):
        if any(frames not in printed for frames, _ in row.members):
            continue
        label = table.label(row.row)
        involved = [frames for frames, _ in row.members if frames in wrong]
        fits = [row.cost.fits(*_sum(row.members, costs)) for costs in (corrected, printed)]
        if not any(fits):
            low, high = _sum(row.members, printed)
            yield label, f"cost {row.cost.value:g}: its single clips cost {(low + high) / 2:.6g}"
        elif involved:
            use[involved[0]][_nearer(row, corrected, printed)].append(label)
    for frames, expected in wrong.items():
        row = singles[frames]
        yield table.label(row.row), _proportion_text(row, expected, *use[frames])


def _nearer(row: CostRow, corrected: Mapping[int, Number], printed: Mapping[int, Number]) -> int:
    """Which single costs a row is computed from: 0 for the corrected ones, 1 for the printed ones."""
    middles = [sum(_sum(row.members, costs)) / 2 for costs in (corrected, printed)]
    return int(abs(row.cost.value - middles[1]) < abs(row.cost.value - middles[0]))


def _proportion_text(row: CostRow, expected: Number, with_expected: Sequence[str], with_printed: Sequence[str]) -> str:
    text = f"cost {row.cost.value:g}: in proportion to the frames of the other rows it is {expected.value:.6g}"
    if with_expected:
        text += f"; used by {', '.join(with_expected)}"
    if with_printed:
        text += f"; {row.cost.value:g} used by {', '.join(with_printed)}"
    return text


def _sum(members: Sequence[tuple[int, int]], costs: Mapping[int, Number]) -> tuple[float, float]:
    """The lowest and the highest sum that the printed costs of the members stand for."""
    parts = [costs[frames].scaled(views) for frames, views in members]
    return sum(part.value - part.half for part in parts), sum(part.value + part.half for part in parts)


def _out_of_proportion(singles: Mapping[int, CostRow]) -> dict[int, Number]:
    """Single costs that nearly are in proportion to their frames, as most are, with what they would be.

    Of two single costs none is the odd one out, so there are three at least.
    """
    if len(singles) < 3:
        return {}
    per_frame = {frames: row.cost.scaled(1 / frames) for frames, row in singles.items()}
    edges = sorted({number.value + sign * number.half for number in per_frame.values() for sign in (-1, 1)})
    best = max(edges, key=lambda edge: sum(number.fits(edge, edge) for number in per_frame.values()))
    agreeing = [number for number in per_frame.values() if number.fits(best, best)]
    if len(agreeing) < max(2, len(singles) / 2 + 0.5):
        return {}
    low = max(number.value - number.half for number in agreeing)
    high = min(number.value + number.half for number in agreeing)
    middle = Number((low + high) / 2, (high - low) / 2)
    exact = min(agreeing, key=lambda number: number.half)
    return {
        frames: Number(_rounded(exact.value if exact.fits(low, high) else middle.value, frames), middle.half * frames)
        for frames, number in per_frame.items()
        if not number.fits(low, high) and abs(number.value / middle.value - 1) <= NEARLY
    }


def _rounded(per_frame: float, frames: int) -> float:
    return round(per_frame * frames, 6)


def check_params(table: PrintedTable) -> Iterator[tuple[str, str]]:
    """Row and fault of each ensemble whose parameters are not the sum of its members'."""
    frames = table.columns("frames")
    for column in table.columns("params") if frames else []:
        singles: dict[tuple[str, int], Number] = {}
        rows = [(row, members) for row in table.rows if (members := members_of(row.cells[frames[0]].text))]
        for row, members in rows:
            number = table.number(row, column)
            if number and len(members) == 1:
                singles.setdefault((family_of(table, row), members[0][0]), number)
        for row, members in rows:
            number, keys = table.number(row, column), [(family_of(table, row), frames) for frames, _ in members]
            if not number or len(members) == 1 or any(key not in singles for key in keys):
                continue
            low, high = (sum(singles[key].value + sign * singles[key].half for key in keys) for sign in (-1, 1))
            if not number.fits(low, high):
                yield table.label(row), f"parameters {number.value:g} M: its members have {(low + high) / 2:.6g} M"
