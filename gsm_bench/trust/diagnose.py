"""Why a model scores lower than it should: settings, frames and labels that would make more videos right."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from gsm_bench.entries import ModelEntry
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.intervals import accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, holm, paired_difference
from gsm_bench.scoring.network import ForwardPool
from gsm_bench.trust.diagnose_findings import Cause, Diagnosis, Tried
from gsm_bench.trust.diagnose_fixes import shown, toml_fix, words_for
from gsm_bench.trust.diagnose_frames import FrameStore
from gsm_bench.trust.diagnose_labels import AS_THEY_ARE, SOLVED, can_be_solved, readings_of
from gsm_bench.trust.diagnose_network import NetworkUnderTrial
from gsm_bench.trust.diagnose_search import Explanation, Search
from gsm_bench.trust.diagnose_settings import KEYS, Possible, Trial, neighbours
from gsm_bench.trust.diagnose_setup import DiagnosisRequest, Setup, set_up
from gsm_bench.trust.diagnose_values import value_faults
from gsm_bench.workspace import Workspace

LOOKED_ALIKE = 3
"""Other explanations that are named."""
MANY_FRAMES = 128
"""Of longer videos, frames that only a pair of changes needs are not decoded, and such pairs are not tried."""


def diagnose_model(
    request: DiagnosisRequest, manifest: Manifest, workspace: Workspace,
    progress: Callable[[int, int], None] = lambda *_: None, step: Callable[[str], None] = lambda _: None,
) -> Diagnosis:  # fmt: skip
    """Try what may be wrong with a model, its frames and its labels, one fault at a time and in pairs.

    Every frame is decoded once. Labels are needed.

    Args:
        progress: called with the videos whose frames are read, and all.
        step: called with what is being tried.

    Raises:
        NoLabelsError: the split has no labels.
        FrameError: no video can be read.
    """
    started = time.monotonic()
    setup = set_up(request, manifest, workspace, every_trial, progress)
    with ForwardPool(setup.job.settings) as pool:
        return replace(diagnose_setup(setup, setup.network(pool), step), seconds=time.monotonic() - started)


def diagnose_setup(setup: Setup, network: NetworkUnderTrial, step: Callable[[str], None] = lambda _: None) -> Diagnosis:
    """Diagnose a network on videos whose frames are read already.

    Args:
        setup: made with `every_trial`.
        network: of this setup.
        step: called with what is being tried.
    """
    job, store = setup.job, setup.store
    names = job.split.class_names.get(setup.task, ())
    readings = readings_of(setup.labels, job.entry.tasks[setup.task], names)
    search = Search(network, setup.base, setup.places, setup.rows, readings, setup.groups)
    best = search.run(Possible(network.has_batch_norms, store.longer > 0), step)
    outcome = _diagnosis(search, best, job.entry)
    scores = network.scores(setup.base, setup.places.tolist())
    return replace(
        outcome, place=f"{job.split.dataset}/{job.split.name}", task=setup.task, published=setup.published,
        value_faults=tuple(value_faults(scores, job.entry.score_kind)),
        notes=(*outcome.notes, *_notes(search, store)),
    )  # fmt: skip


def every_trial(base: Trial, total: int, longer: bool) -> list[Trial]:
    """Trials that need every frame which a search can come to; of long videos, those of one change."""
    possible = Possible(other_counts=longer)
    first = [base, *neighbours(base, possible)]
    if total > MANY_FRAMES:
        return first
    return list(dict.fromkeys(trial for one in first for trial in (one, *_other_times(one, possible))))


def _other_times(trial: Trial, possible: Possible) -> list[Trial]:
    """Trials of a second round that show other frames than their first one."""
    timed = {"frames", "rule", "shift", "numbering", "counts"}
    return [other for other in neighbours(trial, possible) if other.changes(trial).keys() & timed]


def _diagnosis(search: Search, best: Explanation, entry: ModelEntry) -> Diagnosis:
    """What the search says: causes, and everything that was tried one at a time."""
    base = search.baseline
    outcome = Diagnosis(
        model=entry.name, videos=search.total, before=base.accuracy, interval=accuracy_interval(base.hits, search.groups),
        tried=_tried(search), tested=search.tested, clips_scored=search.network.clips_scored,
    )  # fmt: skip
    if not search.is_fault(best):
        return replace(outcome, indifferent=_indifferent(search, search.base))
    causes = [_cause(search, best, name) for name in search.changes(best)]
    return replace(
        outcome, after=best.accuracy, lift=_difference(search, best, base), p=search.corrected_p(best),
        causes=tuple(sorted(causes, key=lambda cause: -cause.together.value)),
        toml=toml_fix(entry, search.base, best.trial), alike=_alike(search, best),
        indifferent=_indifferent(search, best.trial), clips_scored=search.network.clips_scored,
    )  # fmt: skip


def _cause(search: Search, best: Explanation, name: str) -> Cause:
    base = search.baseline
    if name == "labels":
        before, after, alone = AS_THEY_ARE, best.reading.name, search.by_trial[search.base][_place(search, best)]
    else:
        values = best.trial.changes(search.base)[name]
        before, after = (shown(name, value) for value in values)
        single = replace(search.base, **{name: getattr(best.trial, name)})
        if single not in search.by_trial:
            search.try_trials([single], search.total)
        alone = search.by_trial.get(single, [base])[0]
    value = best.reading.name if name == "labels" else getattr(best.trial, name)
    without = search.without(best, name)
    return Cause(
        name=name,
        title=KEYS[name],
        before=before,
        after=after,
        alone=_difference(search, alone, base),
        together=_difference(search, best, without),
        fix=words_for(name, value),
    )


def _place(search: Search, explanation: Explanation) -> int:
    return next(at for at, reading in enumerate(search.readings) if reading.name == explanation.reading.name)


def _difference(search: Search, first: Explanation, second: Explanation) -> PairedDifference:
    count = min(len(first.hits), len(second.hits))
    groups = None if search.groups is None else search.groups[:count]
    return paired_difference(first.hits[:count], second.hits[:count], groups)


def _tried(search: Search) -> tuple[Tried, ...]:
    """Everything that was tried alone, the largest lift first, with p-values after Holm."""
    base = search.baseline
    alone = [one for one in search.by_trial[search.base][1:] if one.hits.max(initial=-1) >= 0]
    alone += [
        several[0] for trial, several in search.by_trial.items()
        if trial in set(neighbours(search.base, Possible(other_counts=True))) and trial != search.base
    ]  # fmt: skip
    corrected = holm([search.p_value(one, base) for one in alone])
    rows = [
        Tried(
            _name_of(search, one),
            _difference(search, one, base),
            p,
            len(one.hits),
            _changed(search, one.trial, search.base),
        )
        for one, p in zip(alone, corrected, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.lift.value))


def _name_of(search: Search, explanation: Explanation) -> str:
    """An explanation in words: what it changes."""
    parts = [
        f"{KEYS[name]} {shown(name, after)}" for name, (_, after) in explanation.trial.changes(search.base).items()
    ]
    return ", ".join([*parts, *([] if explanation.reading.name == AS_THEY_ARE else [explanation.reading.name])])


def _alike(search: Search, best: Explanation) -> tuple[str, ...]:
    """Other explanations that fit as well: the cheapest that do not contain the changes of the best one."""
    own = set(_parts(search, best))
    others: list[str] = []
    for one in sorted(search.eligible(search.complete()), key=lambda one: (one.price, -one.accuracy)):
        parts = set(_parts(search, one))
        same_keys = {name for name, _ in parts} == {name for name, _ in own}
        if not parts or own <= parts or (same_keys and one.reading is best.reading) or len(others) == LOOKED_ALIKE:
            continue
        others.append(f"{_name_of(search, one)} ({100 * one.accuracy:.2f})")
    return tuple(others)


def _parts(search: Search, explanation: Explanation) -> list[tuple[str, str]]:
    parts = [(name, str(pair[1])) for name, pair in explanation.trial.changes(search.base).items()]
    return parts + ([] if explanation.reading.name == AS_THEY_ARE else [("labels", explanation.reading.name)])


def _indifferent(search: Search, trial: Trial) -> tuple[str, ...]:
    """Settings that change no prediction of a trial: whether they are right cannot be seen."""
    names: dict[str, None] = {}
    for other in search.by_trial:
        changes = other.changes(trial)
        if len(changes) == 1 and _changed(search, other, trial) == 0:
            ((name, (_, value)),) = changes.items()
            names[f"{KEYS[name]} {shown(name, value)}"] = None
    return tuple(names)


def _changed(search: Search, first: Trial, second: Trial) -> int:
    """How many predictions differ between two trials, of the videos that both were tried on."""
    count = min(len(search.by_trial[one][0].hits) for one in (first, second))
    places = search.places[:count].tolist()
    one, other = search.network.all_scores([first, second], places)
    return int((one.argmax(axis=1) != other.argmax(axis=1)).sum())


def _notes(search: Search, store: FrameStore) -> list[str]:
    notes = []
    if not can_be_solved(search.total, search.classes):
        notes.append(
            f"{SOLVED} is not tried: {search.total:,} videos are too few for {search.classes} classes "
            f"(--videos {2 * search.classes}, or diagnose --scores FILE)"
        )
    if store.bad:
        name, reason = next(iter(store.bad.items()))
        notes.append(f"{len(store.bad):,} videos cannot be read and are left out, first {name!r}: {reason}")
    failures = set(search.network.failures.values())
    if failures:
        notes.append(f"{len(search.network.failures)} settings are not tried: {min(failures)[:200]}")
    if store.longer:
        notes.append(f"{store.longer:,} of {search.total:,} videos have more frames than their list says")
    return notes
