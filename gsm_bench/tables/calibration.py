"""Calibration of results as tables, unscaled and with a temperature fitted on other videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gsm_bench.evaluation.calibrate import Calibrated, bins_of
from gsm_bench.metrics.calibration import Bin, Calibration
from gsm_bench.tables.origin import common_place, origin_items, titled
from gsm_bench.tables.table import Column, Table


def calibration_table(results: Sequence[Calibrated], folds: int) -> Table:
    """Two rows per result: unscaled, and scaled by temperature."""
    rows = [tuple(_row(result, how, calibration) for how, calibration in _both(result)) for result in results]
    columns = (
        Column("label", "Result"),
        *_place_column(results),
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
        f"Scaled: scores divided by a temperature that minimises the NLL of the other folds ({folds} folds; a group of "
        "videos stays in one fold). T: the temperature fitted on all videos; above 1 means overconfident.",
        f"ECE over {bins_of(results)} bins of equal width, adaptive ECE over bins of equal numbers of videos, in percent. "
        "NLL: natural logarithm. Brier: summed over classes, 0 to 2.",
    )
    return Table(titled("Calibration", _place(results)), columns, tuple(rows), notes, "calibration")


def _both(result: Calibrated) -> Iterator[tuple[str, Calibration]]:
    yield "unscaled", result.plain
    yield "scaled", result.scaled


def _row(result: Calibrated, how: str, calibration: Calibration) -> dict[str, Any]:
    return {
        "label": _name(result),
        "task": result.task,
        "space": result.space,
        "how": how,
        "temperature": 1.0 if how == "unscaled" else result.temperature,
        "top1": calibration.accuracy,
        "confidence": calibration.confidence,
        "ece": calibration.ece,
        "adaptive_ece": calibration.adaptive_ece,
        "nll": calibration.nll,
        "brier": calibration.brier,
        "videos": calibration.videos,
        **origin_items(result.files),
    }


def reliability_table(results: Sequence[Calibrated]) -> Table:
    """Accuracy by confidence: the data of a reliability diagram."""
    blocks = [
        tuple(_bin_row(result, how, bin_) for bin_ in calibration.bins)
        for result in results
        for how, calibration in _both(result)
    ]
    columns = (
        Column("label", "Result"),
        *_place_column(results),
        Column("how", ""),
        Column("range", "Confidence"),
        Column("videos", "Videos", "count"),
        Column("confidence", "Mean\nconfidence", "percent"),
        Column("accuracy", "Accuracy", "percent"),
        Column("gap", "Accuracy -\nconfidence", "points"),
    )
    return Table(titled("Reliability", _place(results)), columns, tuple(blocks), name="reliability")


def _bin_row(result: Calibrated, how: str, bin_: Bin) -> dict[str, Any]:
    return {
        "label": _name(result),
        "how": how,
        "range": f"{bin_.low:.2f} to {bin_.high:.2f}",
        "low": bin_.low,
        "high": bin_.high,
        "videos": bin_.videos,
        "confidence": bin_.confidence,
        "accuracy": bin_.accuracy,
        "gap": bin_.accuracy - bin_.confidence,
        **origin_items(result.files),
    }


def _place(results: Sequence[Calibrated]) -> str:
    """The one split of all results; empty where they differ."""
    return common_place(result.files[0].place for result in results if result.files)


def _place_column(results: Sequence[Calibrated]) -> tuple[Column, ...]:
    """A column for the split where results differ in it."""
    return () if _place(results) or not any(result.files for result in results) else (Column("place", "Split"),)


def _name(result: Calibrated) -> str:
    return result.label if result.task == "action" else f"{result.label} {result.task}"
