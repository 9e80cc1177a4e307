"""Fused scores as a score file of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.member_files import member_files
from gsm_bench.ensembles.members import OpenMember, file_labels
from gsm_bench.provenance import Provenance
from gsm_bench.run_origin import run_origin
from gsm_bench.scorefile import AVERAGED, NOT_SCORED, ClipScores, ScoreHead, create
from gsm_bench.settings import Space


class Described(Protocol):
    """Frames and cost of a fused file, such as an `gsm_bench.evaluation.evaluation.Evaluation`."""

    @property
    def frames(self) -> str: ...
    @property
    def params(self) -> int | None: ...
    @property
    def macs_paper(self) -> int | None: ...
    @property
    def macs_bare(self) -> int | None: ...


def write_fused(
    path: Path,
    name: str,
    members: Sequence[OpenMember],
    spaces: Mapping[str, Space],
    described: Described,
    *,
    force: bool = False,
) -> None:
    """Write the fused scores of open members, one averaged view per video."""
    with create(path, _fused_head(name, members, spaces, described), force=force) as datasets:
        for task, space in spaces.items():
            for block in fuse_blocks(members, task, space):
                datasets[task][block.start : block.start + len(block.scores), 0] = block.scores


def fused_scores(
    name: str, members: Sequence[OpenMember], spaces: Mapping[str, Space], described: Described
) -> ClipScores:
    """The fused scores of open members in memory, as `write_fused` writes them."""
    head = _fused_head(name, members, spaces, described)
    scores = {}
    for task, space in spaces.items():
        scores[task] = np.empty((len(head), 1, head.classes_per_task[task]), np.float32)
        for block in fuse_blocks(members, task, space):
            scores[task][block.rows, 0] = block.scores
    return ClipScores(**vars(head), scores=scores)


def _fused_head(
    name: str, members: Sequence[OpenMember], spaces: Mapping[str, Space], described: Described
) -> ScoreHead:
    first = members[0].head
    status = np.max([member.status for member in members], axis=0).astype(np.uint8)
    return ScoreHead(
        ids=first.ids,
        kinds=dict(spaces),
        classes_per_task={task: first.classes_per_task[task] for task in spaces},
        views=AVERAGED,
        status=status,
        provenance=_provenance(name, members, spaces, described),
        labels={task: labels for task, labels in file_labels(members).items() if task in spaces},
        class_names={task: names for task, names in first.class_names.items() if task in spaces},
        order=first.order,
        problems={first.ids[row]: "a member has no score" for row in np.flatnonzero(status == NOT_SCORED)},
        num_frames=first.num_frames,
    )


def _provenance(
    name: str, members: Sequence[OpenMember], spaces: Mapping[str, Space], described: Described
) -> Provenance:
    from importlib.metadata import version

    first = members[0].head.provenance
    parts = [
        {
            "model": member.spec.label,
            "weight": member.weight,
            "file": str(file.path),
            "dataset": file.dataset,
            "split": file.split,
            "clips": file.clips,
            "temperature": member.spec.temperature,
            "views": member.head.views[member.views].tolist(),
            "signature": member.head.provenance.signature,
            "fingerprint": member.head.provenance.fingerprint,
            "trained_on": member.head.provenance.trained_on,
            "pretraining": ", ".join(filter(None, member.head.provenance.pretraining)),
        }
        for member, file in zip(members, member_files(members), strict=True)
    ]
    return Provenance(
        model=name,
        dataset=first.dataset,
        split=first.split,
        split_sha256=first.split_sha256,
        list_path=first.list_path,
        limit=first.limit,
        **run_origin(),
        members=parts,
        space=dict(spaces),
        frames_text=described.frames,
        params=described.params,
        macs_paper_per_view=described.macs_paper,
        macs_bare_per_view=described.macs_bare,
        versions={"gsm-bench": version("gsm-bench"), "numpy": np.__version__},
        signature=f"fused={json.dumps([_signed(part) for part in parts])}; space={dict(spaces)}",
    )


def _signed(part: Mapping[str, Any]) -> list[Any]:
    """Everything of a member that could change a number; its temperature if it has one."""
    temperature = [] if part["temperature"] == 1 else [part["temperature"]]
    return [part["signature"], part["weight"], part["views"], *temperature]
