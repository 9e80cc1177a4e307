"""Why a number is wrong: examinations of a machine, a model and its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gsm_bench.api.bench.workspace import OpenWorkspace, Place

if TYPE_CHECKING:
    from gsm_bench.api.diagnosing import DiagnosisResult, LabelErrorsResult, ProbeResult
    from gsm_bench.api.results import Result
    from gsm_bench.api.sources import Source
    from gsm_bench.trust.canary import CanaryCheck


class ExaminationMethods(OpenWorkspace):
    """Diagnosis, probe, canary and label errors."""

    def diagnose(
        self, model: str | None = None, *, scores: Source | None = None, videos: int = 300, seed: int = 0,
        task: str | None = None, data: Place | None = None, most: int | None = None,
        progress: Callable[[int, int], None] | None = None, step: Callable[[str], None] | None = None, **options: Any,
    ) -> DiagnosisResult:  # fmt: skip
        """Why a model or a score file is less accurate than it should be; labels are needed.

        Args:
            model: of the registry; its frames and network are tried with other settings, which needs torch.
            scores: a score file or a model's scores instead: labels and kinds alone, without a network.
            videos: how many are tried, chosen at random by `seed`; 0 for all. Score files are used whole.
            task: whose labels are used; the first with labels if None.
            most: rows of what was tried in the second table.
            progress: called with the videos whose frames are read, and all; step with what is being tried.
            options: as of `score`, with `model`: dataset, split, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import diagnose_model_of, diagnose_scores_of, trial_request
        from gsm_bench.errors import GsmBenchError

        if (model is None) == (scores is None):
            raise GsmBenchError("diagnose one of model and scores", fix="Bench.diagnose('inv3_8f'), or scores='x.h5'")
        if scores is not None:
            if options:
                raise GsmBenchError(f"scores take no option {min(options)!r}", fix="options belong to a model")
            return diagnose_scores_of(self.source(scores), self.labels(data), task, most)
        options |= {} if data is None else {"data": data}
        request = trial_request(str(model), videos, seed, task, options)
        return diagnose_model_of(self, request, progress, step, most)

    def probe(
        self, model: str, *, videos: int = 300, seed: int = 0, task: str | None = None,
        progress: Callable[[int, int], None] | None = None, **options: Any,
    ) -> ProbeResult:  # fmt: skip
        """What of a model depends on time: frames reversed, shuffled, one alone, the first half; needs torch and labels.

        Args:
            videos: how many are shown, chosen at random by `seed`; 0 for all.
            options: as of `score`: dataset, split, data, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import probe_model_of, trial_request

        return probe_model_of(self, trial_request(model, videos, seed, task, options), progress)

    def doctor(self) -> Result:
        """What is installed here and on which machine: the block of ``gsmbench doctor``, a row per line. Needs no torch."""
        from gsm_bench.api.results import Result
        from gsm_bench.trust.environment import environment_table, examine_environment

        return Result((environment_table(examine_environment(self.workspace)),))

    def check_canary(self, model: str, **options: Any) -> CanaryCheck:
        """Whether network, weights, frames and preprocessing are those of the model's canary; needs torch.

        Args:
            options: as of `score`: dataset, split, data, frames, device, workers, ..
        """
        from gsm_bench.api.diagnosing import check_canary_of

        return check_canary_of(self, model, options)

    def label_errors(
        self, *names: Source, task: str | None = None, most: int | None = None, dataset: str | None = None,
        split: str | None = None, data: Place | None = None,
    ) -> LabelErrorsResult:  # fmt: skip
        """Videos on which all strong results agree against the label, the likeliest label errors first."""
        from gsm_bench.api.diagnosing import label_errors_of

        return label_errors_of(self._sources(names, dataset, split), self.labels(data), task, most)
