"""Calibration of results as tables, as they are and with a temperature fitted on other clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gsm_bench.evaluation.calibrate import Calibrated, bins_of
from gsm_bench.metrics.calibration import Calibration
from gsm_bench.tables.table import Column, Table


def calibration_table(results: Sequence[Calibrated], folds: int) -> Table:
    """Two rows per result: as it is, and scaled."""
    rows = [
        tuple(_row(result, how, found) for how, found in (("as it is", result.plain), ("scaled", result.scaled)))
        for result in results
    ]
    columns = (
        Column("label", "Result"),
        Column("how", ""),
        Column("temperature", "T", "number"),
        Column("top1", "Top-1", "percent"),
        Column("confidence", "Confidence", "percent"),
        Column("ece", "ECE", "percent"),
        Column("adaptive_ece", "Adaptive\nECE", "percent"),
        Column("nll", "NLL", "number"),
        Column("brier", "Brier", "number"),
    )
    notes = (
        f"Scaled: scores divided by the temperature that minimises the NLL of the other folds ({folds} folds, groups of "
        "clips kept whole); T is that of all clips. Above 1: too sure as it is.",
        f"ECE over {bins_of(results)} bins of equal width, adaptive over as many of equal numbers of clips; percent. NLL: "
        "natural logarithm. Brier: summed over classes, 0 to 2.",
    )
    return Table("Calibration", columns, tuple(rows), notes, "calibration")


def _row(result: Calibrated, how: str, found: Calibration) -> dict[str, Any]:
    return {
        "label": _name(result),
        "task": result.task,
        "space": result.space,
        "how": how,
        "temperature": 1.0 if how == "as it is" else result.temperature,
        "top1": found.accuracy,
        "confidence": found.confidence,
        "ece": found.ece,
        "adaptive_ece": found.adaptive_ece,
        "nll": found.nll,
        "brier": found.brier,
        "clips": found.clips,
    }


def reliability_table(results: Sequence[Calibrated]) -> Table:
    """How often a result is right when it is so and so sure; the data of a reliability diagram."""
    blocks = []
    for result in results:
        for how, found in (("as it is", result.plain), ("scaled", result.scaled)):
            blocks.append(
                tuple(
                    {
                        "label": _name(result),
                        "how": how,
                        "range": f"{bin_.low:.2f} to {bin_.high:.2f}",
                        "low": bin_.low,
                        "high": bin_.high,
                        "clips": bin_.clips,
                        "confidence": bin_.confidence,
                        "accuracy": bin_.accuracy,
                        "gap": bin_.accuracy - bin_.confidence,
                    }
                    for bin_ in found.bins
                )
            )
    columns = (
        Column("label", "Result"),
        Column("how", ""),
        Column("range", "Confidence"),
        Column("clips", "Clips", "count"),
        Column("confidence", "Mean", "percent"),
        Column("accuracy", "Right", "percent"),
        Column("gap", "Right - mean", "points"),
    )
    return Table("Reliability", columns, tuple(blocks), name="reliability")


def _name(result: Calibrated) -> str:
    return result.label if result.task == "action" else f"{result.label} {result.task}"
