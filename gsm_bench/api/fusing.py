"""Accuracies of an ensemble beside its members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.evaluating import checksum_notes, verdicts_of, warnings_of
from gsm_bench.api.results import EvaluationResult
from gsm_bench.api.sources import LabelFinder, NamedSource
from gsm_bench.ensembles.leaks import find_leaks, refuse_leaks, split_name
from gsm_bench.ensembles.members import common_tasks, open_members, reweighted
from gsm_bench.ensembles.spaces import conversions, fusion_space
from gsm_bench.ensembles.write import write_fused
from gsm_bench.evaluation.actions import SOURCE_WORDS, rule_for
from gsm_bench.evaluation.evaluation import evaluate_members
from gsm_bench.tables.results import results_table
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.entries import Published
    from gsm_bench.settings import ActionSource, Space


def evaluate_ensemble(
    bench: OpenWorkspace,
    source: NamedSource,
    truth_of: LabelFinder,
    weights: Sequence[float] | None = None,
    space: Space | None = None,
    *,
    actions: ActionSource | None = None,
    published: Published | None = None,
    allow_leak: bool = False,
    out: Path | None = None,
    force: bool = False,
) -> EvaluationResult:
    """Fuse members and evaluate the ensemble beside each of them; see `Bench.ensemble`."""
    space, messages = space or source.space, []
    with open_members(reweighted(source.members, weights), source.opened) as members:
        head = members[0].head
        spaces = {task: fusion_space(members, task, space) for task in common_tasks(members)}
        lines = dict.fromkeys(line for task in spaces for line in conversions(members, task, spaces[task]))
        messages += [f"note: {line}" for line in lines]
        leaks = refuse_leaks(find_leaks(members, bench.manifest), split_name(head), allowed=allow_leak)
        messages += [f"leak: {line}" for line in leaks]
        truth = truth_of.if_any(members) if out else truth_of.members(members)
        rule = rule_for(members, truth, actions)
        if rule is not None:
            messages.append(f"note: actions {SOURCE_WORDS[rule.source]} ({rule.why})")
        whole, singles = evaluate_members(source.label, members, truth, space, published, rule)
        if out:
            write_fused(out, source.label, members, spaces, whole, force=force)
            messages.append(f"wrote {pasteable(out)}")
    words = ", ".join(dict.fromkeys(spaces.values())).replace("_", "-")
    table = results_table(f"{source.label}: mean of {words}", [singles, [whole]], name=source.label)
    return EvaluationResult(
        (table,),
        (
            *source.notes,
            *truth_of.messages,
            *messages,
            *checksum_notes([whole]),
            *warnings_of([whole]),
            *verdicts_of([whole]),
        ),
        complete=not whole.not_scored,
        evaluations=(*singles, whole),
    )
