"""The playground of a report: which members can be ticked, and the library's figures of them and of the ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.sources import NamedSource
from gsm_bench.ensembles.members import MemberSpec, OpenMember, member_label, open_members
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.id_array import IdArray
from gsm_bench.report.playground import (
    MOST_BYTES,
    Layer,
    Playground,
    PlaygroundMember,
    SavedPoint,
    layer_key,
    member_layers,
    quantise_layers,
    scored_rows,
)

Key = tuple[str, int | None]


@dataclass(frozen=True)
class FusedResult:
    """A result of a report: its name, its members, and what the library says of it."""

    name: str
    source: NamedSource
    evaluation: Evaluation


def reported_playground(
    results: Sequence[FusedResult], ids: IdArray, task: str, most: int = MOST_BYTES
) -> Playground | None:
    """The playground of a task; None with fewer than two members that have scores of it.

    Args:
        results: models, score files and ensembles on one split.
        ids: of the N videos of the split.
        most: bytes of the page that it may take.
    """
    with ExitStack() as stack:
        members = _open(stack, results, task)
        if len(members) < 2:
            return None
        numbers: dict[tuple[str, float], int] = {}
        layers: list[Layer] = []
        for member in members.values():
            for offset, layer in member_layers(member, _rows(ids, member)).items():
                if numbers.setdefault(layer_key(member.spec, offset), len(layers)) == len(layers):
                    layers.append(layer)
        levels, codes, size = quantise_layers(layers, task, len(ids), most)
        return Playground(
            task=task,
            members=tuple(_member(results, key, member, numbers, task) for key, member in members.items()),
            saved=tuple(_saved(result, members, task) for result in results if _is_saved(result, members, task)),
            levels=levels,
            codes=tuple(codes),
            scored=np.stack([scored_rows(layer) for layer in layers]),
            size=size,
            kinds=tuple(dict.fromkeys(member.head.kinds[task] for member in members.values())),
            crops=any(len(layer.views) > 1 for layer in layers),
        )


def _open(stack: ExitStack, results: Sequence[FusedResult], task: str) -> dict[Key, OpenMember]:
    """Every member of every result once, each on its own; those with as many classes as the first."""
    members: dict[Key, OpenMember] = {}
    for result in results:
        for spec in result.source.members:
            if _key(spec) not in members:
                (member,) = stack.enter_context(open_members([spec], result.source.opened))
                members[_key(spec)] = member
    known = {key: member for key, member in members.items() if task in member.head.kinds}
    classes = [member.head.classes_per_task[task] for member in known.values()]
    return {key: one for key, one in known.items() if one.head.classes_per_task[task] == classes[0]}


def _key(spec: MemberSpec) -> Key:
    return str(spec.path.absolute()), spec.clips or 1


def _rows(ids: IdArray, member: OpenMember) -> NDArray[np.int64]:
    """Row of a member's file for each video, int64 [N]; -1 absent. Rows without ids are matched by position."""
    head = member.head
    if len(head) == len(ids) and (head.order == "unverified" or head.ids == ids):
        return np.arange(len(ids))
    return ids.rows_in(head.ids)


def _member(
    results: Sequence[FusedResult], key: Key, member: OpenMember, numbers: Mapping[tuple[str, float], int], task: str
) -> PlaygroundMember:
    alone = [one for one in results if len(one.source.members) == 1 and _key(one.source.members[0]) == key]
    accuracy = alone[0].evaluation.accuracy.get(task) if alone else None
    offsets = member_layers(member, np.zeros(0, np.int64))
    return PlaygroundMember(
        name=alone[0].name if alone else member_label(member.spec),
        layers=tuple(numbers[layer_key(member.spec, offset)] for offset in offsets),
        hits=accuracy.hits if accuracy else {},
        scored=accuracy.scored if accuracy else 0,
    )


def _is_saved(result: FusedResult, members: Mapping[Key, OpenMember], task: str) -> bool:
    """Whether a result is an ensemble of members that can be ticked."""
    specs = result.source.members
    return len(specs) > 1 and task in result.evaluation.accuracy and all(_key(spec) in members for spec in specs)


def _saved(result: FusedResult, members: Mapping[Key, OpenMember], task: str) -> SavedPoint:
    specs, places = result.source.members, {key: at for at, key in enumerate(members)}
    accuracy = result.evaluation.accuracy[task]
    return SavedPoint(
        name=result.name,
        members=tuple((places[_key(spec)], spec.weight, spec.temperature) for spec in specs),
        space=fusion_space([members[_key(spec)] for spec in specs], task, result.source.space),
        hits=accuracy.hits,
        scored=accuracy.scored,
    )
