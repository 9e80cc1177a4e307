"""Files that others read: score files and submissions, written and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsm_bench.api.bench.workspace import OpenWorkspace, Place, path_of

if TYPE_CHECKING:
    from gsm_bench.api.results import FileCheckResult, SubmissionResult, VerdictResult
    from gsm_bench.scorefile import ScoreFile
    from gsm_bench.settings import Space


class FileMethods(OpenWorkspace):
    """Score files and submissions, written and checked."""

    def score(self, model: str, **options: Any) -> ScoreFile:
        """Score a split with a model and return its score file; needs torch.

        Args:
            options: as of ``gsmbench score``: dataset, split, data, clips, crops, device, limit, ..

        Raises:
            NetworkError: torch is not installed.
        """
        from gsm_bench.api.scoring import score_model

        return score_model(self, model, options)

    def check(self, path: Place, *, data: Place | None = None) -> VerdictResult | FileCheckResult:
        """Compare a score file with its checksums, or judge an EPIC-KITCHENS zip or JSON as its server would.

        Args:
            data: directory with the annotations.

        Returns:
            True for a sound score file, and for a submission that the server would take.

        Raises:
            ScoreFileError: the score file is damaged.
        """
        from gsm_bench.api.checking import check_any

        return check_any(Path(path), self.manifest, self.workspace, path_of(data))

    def submit(
        self,
        target: str,
        *,
        model: str | None = None,
        ensemble: str | None = None,
        scores: Place | None = None,
        split: str | None = None,
        levels: Mapping[str, int] | None = None,
        space: Space | None = None,
        allow_leak: bool = False,
        data: Place | None = None,
        out: Place | None = None,
        force: bool = False,
    ) -> SubmissionResult:
        """Write a submission for an EPIC-KITCHENS server, read it back and check it.

        Args:
            target: ``epic-55`` or ``epic-100``.
            model, ensemble, scores: the source, one of them; the only score file of the split if all are None.
            split: ``s1`` or ``s2`` of EPIC-KITCHENS-55.
            levels: supervision levels of EPIC-KITCHENS-100: sls_pt, sls_tl and sls_td, 0 to 5.
        """
        from gsm_bench.api.submitting import submit
        from gsm_bench.submit.source import SubmissionSource

        source = SubmissionSource(model, ensemble, path_of(scores))
        return submit(
            target, source, split, levels or {}, self.manifest, self.workspace, space=space, allow_leak=allow_leak,
            data=path_of(data), out=path_of(out), force=force,
        )  # fmt: skip
