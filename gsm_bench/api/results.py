"""What calls return: the tables of the command line with plain attributes beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gsm_bench.errors import GsmBenchError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas

    from gsm_bench.api.dataframes import Form
    from gsm_bench.evaluation.calibrate import Calibrated
    from gsm_bench.evaluation.compare import Comparison
    from gsm_bench.evaluation.evaluation import Evaluation
    from gsm_bench.evaluation.split_mean import SplitMean
    from gsm_bench.selection.cascade_search import CascadeResult
    from gsm_bench.selection.search import SearchResult
    from gsm_bench.selection.weighting import WeightedResult
    from gsm_bench.submit.check import Verdict
    from gsm_bench.submit.run import PreparedSubmission, WrittenSubmission
    from gsm_bench.tables.table import Table

__all__ = [
    "CalibrationResult", "ComparisonResult", "EvaluationResult", "FileCheckResult", "Result", "SearchTables", "SimulationTables",
    "SubmissionResult", "VerdictResult",
]  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """A result as tables.

    Attributes:
        tables: as the command line prints them, rows of raw numbers.
        messages: what the command line says beside them.
        complete: whether every video has a score.
    """

    tables: tuple[Table, ...]
    messages: tuple[str, ...] = ()
    complete: bool = True

    def table(self, name: str | int = 0) -> Table:
        """The table of a name, the first of several, or of a place in `tables`."""
        if isinstance(name, int):
            return self.tables[name]
        for table in self.tables:
            if table.name == name:
                return table
        raise GsmBenchError(f"no table {name!r}", fix=f"tables are {', '.join(table.name for table in self.tables)}")

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """Rows of the first table, raw numbers under the keys of ``--format json``."""
        return self.tables[0].rows

    def to_pandas(self, name: str | int = 0, form: Form = "raw") -> pandas.DataFrame:
        """One of the tables as a DataFrame; see `gsm_bench.api.dataframes.frame_of`."""
        from gsm_bench.api.dataframes import frame_of

        return frame_of(self.table(name), form)

    def _repr_html_(self) -> str:
        from gsm_bench.api.dataframes import html_of

        return html_of(self.tables, self.messages)

    def __str__(self) -> str:
        from gsm_bench.tables.render import render_all

        return "\n".join([render_all(self.tables, "rich", width=120), *self.messages])

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False, eq=False)
class EvaluationResult(Result):
    """Accuracies.

    Attributes:
        evaluations: one per row of the table that has scores; of an ensemble, its members and then itself.
        means: means over splits, one per protocol, where they were asked for.
    """

    evaluations: tuple[Evaluation, ...] = ()
    means: tuple[SplitMean, ...] = ()

    @property
    def evaluation(self) -> Evaluation:
        """The last row: of an ensemble, the ensemble; of a score file, the protocol with most clips."""
        return self.evaluations[-1]

    @property
    def row(self) -> Mapping[str, Any]:
        """Raw numbers of the last row."""
        return self.rows[-1]

    @property
    def top1(self) -> float | None:
        """Top-1 accuracy of the last row, a fraction; of the action task where there are several."""
        value: float | None = self._value("top1")
        return value

    @property
    def top5(self) -> float | None:
        """Top-5 accuracy of the last row, a fraction."""
        value: float | None = self._value("top5")
        return value

    @property
    def mean_class(self) -> float | None:
        """Mean class accuracy of the last row, a fraction."""
        value: float | None = self._value("mean_class")
        return value

    @property
    def mean_ap(self) -> float | None:
        """Mean average precision of the last row, a fraction, on a multi-label data set."""
        value: float | None = self._value("mean_ap")
        return value

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The 95% interval of the top-1 accuracy of the last row, or of its mAP where it has that, as fractions."""
        key = "top1" if self.mean_ap is None else "mean_ap"
        return self._value(f"{key}_low95"), self._value(f"{key}_high95")

    @property
    def hits(self) -> int | None:
        """Videos of the last row whose best class is right."""
        value: int | None = self._value("hits1")
        return value

    @property
    def videos(self) -> int | None:
        """Videos of the last row with a score and a label."""
        value: int | None = self._value("scored")
        return value

    def _value(self, key: str) -> Any:
        return self.row.get(key, self.row.get(f"action_{key}"))


@dataclass(frozen=True, repr=False, eq=False)
class ComparisonResult(Result):
    """Two results on the same videos.

    Attributes:
        comparison: predictions of both for every video.
        paths: of each video where they were asked for, in the rows of the comparison.
    """

    comparison: Comparison | None = None
    paths: Sequence[str] = ()

    @property
    def difference(self) -> float | None:
        """Top-1 of the first minus that of the second, a fraction."""
        value: float | None = self._value("difference")
        return value

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The 95% interval of the difference."""
        return self._value("difference_low"), self._value("difference_high")

    @property
    def p(self) -> float | None:
        """The p value of the exact paired test."""
        value: float | None = self._value("p")
        return value

    def videos(self) -> pandas.DataFrame:
        """Every video that only one of the two has right: id, task, right_in, true, first, second; path if it was asked for."""
        from gsm_bench.api.dataframes import frame_of
        from gsm_bench.tables.comparison import videos_table

        assert self.comparison is not None
        frame = frame_of(videos_table(self.comparison))
        if self.paths:
            path_of = dict(zip(self.comparison.ids, self.paths, strict=True))
            frame["path"] = [path_of[name] for name in frame["id"]]
        return frame

    def _value(self, key: str) -> Any:
        top1 = [row for row in self.rows if row["k"] == 1]
        rows = [row for row in top1 if row["task"] == "action"] or top1
        return rows[-1][key] if rows else None


@dataclass(frozen=True, repr=False, eq=False)
class CalibrationResult(Result):
    """Calibration errors.

    Attributes:
        calibrations: one per result and task, as it is and scaled.
    """

    calibrations: tuple[Calibrated, ...] = ()


@dataclass(frozen=True, repr=False, eq=False)
class SearchTables(Result):
    """The best ensembles of a pool.

    Attributes:
        search: everything that the search knows.
    """

    search: SearchResult | WeightedResult | None = None

    @property
    def members(self) -> list[str]:
        """Members of the best ensemble, as `Bench.ensemble` takes them."""
        from gsm_bench.ensembles.members import member_label

        return [member_label(spec) for spec in self.search.best] if self.search else []

    @property
    def weights(self) -> list[float]:
        """The weight of each of these members."""
        return [spec.weight for spec in self.search.best] if self.search else []

    @property
    def gain(self) -> float | None:
        """Held-out gain of the best ensemble over the best single member, a fraction."""
        return self.search.gain.value if self.search else None


@dataclass(frozen=True, repr=False, eq=False)
class SimulationTables(Result):
    """Cascades, simulated.

    Attributes:
        cascade: everything that the simulation knows.
    """

    cascade: CascadeResult | None = None

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Thresholds of the chosen cascade, one for each member but the last."""
        return self.cascade.chosen.thresholds if self.cascade else ()

    @property
    def rule(self) -> str | None:
        """The rule of the chosen cascade."""
        return self.cascade.chosen.rule if self.cascade else None

    @property
    def gain(self) -> float | None:
        """Held-out accuracy minus that of all members for every video, a fraction."""
        return self.cascade.gain.value if self.cascade else None


@dataclass(frozen=True, repr=False, eq=False)
class VerdictResult(Result):
    """Whether a server would accept a file; true if it would.

    Attributes:
        verdict: findings, and the scores that could be read.
    """

    verdict: Verdict | None = None

    @property
    def passes(self) -> bool:
        """Whether the server would accept the file and read the intended scores."""
        return self.verdict is not None and self.verdict.passes

    def __bool__(self) -> bool:
        return self.passes


@dataclass(frozen=True, repr=False, eq=False)
class FileCheckResult(Result):
    """A score file that was read as a whole and is sound; true.

    Attributes:
        covered: what was compared with checksums: ``everything``, ``scores`` or ``nothing``.
    """

    covered: str = "nothing"

    @property
    def passes(self) -> bool:
        """Whether the file is sound; a damaged one is an error instead."""
        return True


@dataclass(frozen=True, eq=False)
class SubmissionResult:
    """A submission that is written, read back and checked.

    Attributes:
        prepared: what it is made of: scores, leaks, warnings.
        written: its files with their lines in the ledger.
    """

    prepared: PreparedSubmission
    written: WrittenSubmission

    @property
    def path(self) -> Path:
        """The file."""
        return self.prepared.path

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to look at before the file is sent."""
        return self.prepared.submission.warnings
