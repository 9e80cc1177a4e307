"""Why a number is wrong: diagnoses of models and of score files, probes of time, and labels to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gsm_bench.api.results import Result
from gsm_bench.api.scoring import request_of
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.members import open_members
from gsm_bench.errors import GsmBenchError
from gsm_bench.trust.diagnose_tables import causes_table, tried_table

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.trust.canary import CanaryCheck
    from gsm_bench.trust.diagnose_findings import Diagnosis
    from gsm_bench.trust.diagnose_setup import DiagnosisRequest
    from gsm_bench.trust.label_errors import LabelErrors
    from gsm_bench.trust.probe import Probe

Progress = Callable[[int, int], None]


@dataclass(frozen=True, repr=False, eq=False)
class ProbeResult(Result):
    """What depends on time.

    Attributes:
        probe: accuracies in each order of frames, by class too.
    """

    probe: Probe | None = None


@dataclass(frozen=True, repr=False, eq=False)
class LabelErrorsResult(Result):
    """Labels to look at.

    Attributes:
        errors: the candidates.
    """

    errors: LabelErrors | None = None


@dataclass(frozen=True, repr=False, eq=False)
class DiagnosisResult(Result):
    """A diagnosis.

    Attributes:
        diagnosis: causes, what was tried, and what cannot be told.
    """

    diagnosis: Diagnosis | None = None

    @property
    def causes(self) -> list[str]:
        """Names of the faults, the surest first; empty if none was found."""
        return self.diagnosis.ranking if self.diagnosis else []

    @property
    def toml(self) -> str:
        """Lines of a manifest that correct the entry; empty if no key of an entry is wrong."""
        return self.diagnosis.toml if self.diagnosis else ""


def trial_request(model: str, videos: int, seed: int, task: str | None, options: dict[str, Any]) -> DiagnosisRequest:
    """A request to try a model on videos; raises GsmBenchError for an option that `score` does not have, or without torch."""
    scoring = request_of(model, options)
    from gsm_bench.trust.diagnose_setup import DiagnosisRequest

    return DiagnosisRequest(scoring, videos, seed, task)


def diagnose_model_of(
    bench: OpenWorkspace, request: DiagnosisRequest, progress: Progress | None, step: Callable[[str], None] | None,
    most: int | None,
) -> DiagnosisResult:  # fmt: skip
    """Diagnose a model of the registry; see `Bench.diagnose`."""
    from gsm_bench.trust.diagnose import diagnose_model

    diagnosis = diagnose_model(request, bench.manifest, bench.workspace, progress or _silent, step or _silent)
    return _result(diagnosis, (), most)


def diagnose_scores_of(
    source: NamedSource, truth_of: LabelFinder, task: str | None, most: int | None
) -> DiagnosisResult:
    """Diagnose the scores of one file; see `Bench.diagnose`."""
    from gsm_bench.trust.diagnose_scores import diagnose_scores

    if len(source.members) != 1:
        raise GsmBenchError(
            f"{source.label} has {len(source.members)} members", fix="diagnose one score file at a time"
        )
    with open_members(source.members, source.opened) as members:
        diagnosis = diagnose_scores(members[0], truth_of.members(members), task)
    return _result(diagnosis, truth_of.messages, most)


def _result(diagnosis: Diagnosis, messages: Any, most: int | None) -> DiagnosisResult:
    tables = (causes_table(diagnosis), tried_table(diagnosis, most))
    return DiagnosisResult(tables, tuple(messages), diagnosis=diagnosis)


def probe_model_of(bench: OpenWorkspace, request: DiagnosisRequest, progress: Progress | None) -> ProbeResult:
    """Show a model frames in other orders; see `Bench.probe`."""
    from gsm_bench.trust.probe import probe_model
    from gsm_bench.trust.probe_tables import probe_classes_table, probe_table

    probe = probe_model(request, bench.manifest, bench.workspace, progress or _silent)
    return ProbeResult((probe_table(probe), probe_classes_table(probe)), complete=not probe.bad, probe=probe)


def check_canary_of(bench: OpenWorkspace, model: str, options: dict[str, Any]) -> CanaryCheck:
    """Compare a set-up with the canary of a model; see `Bench.check_canary`."""
    scoring = request_of(model, options)
    from gsm_bench.trust.canary import check_canary
    from gsm_bench.trust.canary_file import canary_path, read_canary

    canary = read_canary(canary_path(model, bench.workspace))
    return check_canary(canary, scoring, bench.manifest, bench.workspace)


def label_errors_of(
    sources: Sequence[NamedSource], truth_of: LabelFinder, task: str | None, most: int | None
) -> LabelErrorsResult:
    """Videos on which all strong members agree against the label; see `Bench.label_errors`."""
    from gsm_bench.trust.label_errors import label_errors
    from gsm_bench.trust.label_errors_table import label_errors_table

    specs = [member for source in sources for member in source.members]
    opened = {path: file for source in sources for path, file in source.opened.items()}
    with open_members(specs, opened) as members:
        errors = label_errors(members, truth_of.members(members), task)
    return LabelErrorsResult((label_errors_table(errors, most),), tuple(truth_of.messages), errors=errors)


def _silent(*_: object) -> None:
    pass
