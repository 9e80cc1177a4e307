"""Plant faults in copies of Temporal Shapes and count how often `diagnose` names them.

    python benchmarks/faults.py WORK_FOLDER [--faults A,B] [--singles] [--pairs] [--sound N] [--results FILE]

Each fault is planted as it happens: in the frames on disk, in the list, in the entry, in the checkpoint or in the
network. The copy has the name and the files of any other data set, and `diagnose` is called as for any other model.
A line per run is added to WORK_FOLDER/results.jsonl, with the commit; runs that are there already are not repeated, so a
killed script goes on. Without any runs to make it prints the counts.

The networks of Temporal Shapes hardly look at colour: another channel order changes 1% of their predictions. So the
copies have an inverted red channel, and the network has the weights of that channel negated: the same answers.

With `--model oracle` the network is a small one with random weights, and the labels are what it says of the sound copy,
a tenth of them replaced at random: many runs in little time, and no class is the reversal of another.

Scores of a video under the same settings, frames and weights are computed once per call of this script and remembered:
most runs show the network the same clips. Where batch norms use the batch, they are computed anew. A sound run is a random
sample of the videos of the sound copy: with `--of` equal to `--videos`, all are of the same videos in other orders.

The time of a run counts only if it remembered nothing and decoded its frames (`whole`). It is processor time, of all threads,
without the writing of the copy. Two faults of labels are one cause: a pair of them is right if `labels` are named.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from gsm_bench.errors import GsmBenchError
from gsm_bench.frames.transform import normalise
from gsm_bench.manifest import load_manifest
from gsm_bench.permissions import allow, missing_permissions
from gsm_bench.run_origin import code_commit
from gsm_bench.scoring.network import ForwardPool
from gsm_bench.scoring.prepare import Request
from gsm_bench.shapes import make
from gsm_bench.trust.diagnose import diagnose_setup, every_trial
from gsm_bench.trust.diagnose_findings import Diagnosis
from gsm_bench.trust.diagnose_network import NetworkUnderTrial
from gsm_bench.trust.diagnose_settings import Trial
from gsm_bench.trust.diagnose_setup import DiagnosisRequest, Setup, set_up
from gsm_bench.workspace import Workspace, shipped_manifests

NETWORK = """
import torch
from gsm_bench.nets.segment import SegmentNetwork, build_network

class InvertedRed(SegmentNetwork):
    def forward(self, clips):
        clips = torch.cat([clips[:, :, :2], -1 - clips[:, :, 2:]], dim=2)
        return self.last(super().forward(clips))

    def last(self, logits):
        return logits

class Oracle(torch.nn.Module):  # small, with random weights: the labels are what it says
    def __init__(self, classes):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.conv1, self.bn1 = torch.nn.Conv2d(3, 16, 7, stride=4), torch.nn.BatchNorm2d(16)
        self.conv2, self.bn2 = torch.nn.Conv2d(16, 24, 3, stride=2), torch.nn.BatchNorm2d(24)
        self.fc = torch.nn.Linear(24 * 9 * 3, classes)
        for value in self.parameters():
            if value.ndim > 1:
                value.data = torch.randn(value.shape, generator=generator) / value[0].numel() ** 0.5

    def features(self, clips):
        batch, frames = clips.shape[:2]
        maps = torch.relu(self.bn1(self.conv1(clips.flatten(0, 1))))
        maps = torch.relu(self.bn2(self.conv2(maps)))
        maps = torch.nn.functional.adaptive_avg_pool2d(maps, 3).flatten(1).view(batch, frames, -1)
        time = (torch.arange(frames) + 0.5) / frames
        weights = torch.stack([torch.ones(frames), torch.cos(torch.pi * time), torch.cos(2 * torch.pi * time)])
        return torch.einsum("kt,btf->bkf", weights / frames, maps).flatten(1)

    def forward(self, clips):
        return self.last(self.fc(self.features(clips)))

    def last(self, logits):
        return logits

def doubled(logits):
    return logits.softmax(-1).softmax(-1)

def build(entry):
    if entry.options.get("oracle"):
        return Oracle(entry.classes)
    network = build_network("bninception", "gsm", entry.frames, entry.classes, width=0.25)
    network.__class__ = InvertedRed
    return network

def build_doubled(entry):
    network = build(entry)
    network.last = doubled
    return network
"""
ENTRY = """
[datasets.copy]
title = "A data set"
layout = "list"
classes = 14
class_order = "{class_order}"
frame_pattern = "{{id}}/{{frame:05d}}.png"
frame_roots = ["frames"]
class_files = ["category.txt"]
splits = {{ val = {{ lists = ["val.txt"] }} }}

[models.network]
title = "A network"
network = "{network}"
frames = {frames}
options = {options}
classes = 14
class_order = "{class_order}"
input = {{ size = 64, resize = {resize}, channel_order = "{channel_order}", value_range = {value_range}, mean = {mean}, std = {std} }}
checkpoint = {{ file = "network.safetensors" }}
dataset = "copy"
split = "val"
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the data set with its entry, sound until faults are planted.

    Attributes:
        keys: of the entry.
        frames: changes of the frames of a video: uint8 [n, H, W, 3] to the same.
        labels: changes of the labels int [N].
        listed: changes of a frame count.
        names: changes of the class names.
        checkpoint: changes of the weights.
    """

    keys: dict[str, object]
    frames: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()
    labels: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()
    listed: tuple[Callable[[int], int], ...] = ()
    names: tuple[Callable[[list[str]], list[str]], ...] = ()
    checkpoint: tuple[Callable[[dict], dict], ...] = ()

    @property
    def shown(self) -> tuple[object, ...]:
        """What decides the scores, apart from the settings that are tried."""
        frames = sorted(change.__name__ for change in self.frames)
        return self.keys["network"], self.keys["options"], *frames, len(self.listed), len(self.checkpoint)


def sound(model: str) -> Copy:
    return Copy({
        "network": "planted:build", "frames": 8, "options": "{ oracle = true }" if model == "oracle" else "{ }", "resize": 73,
        "channel_order": "BGR", "value_range": 255, "mean": [104, 117, 128], "std": [1, 1, 1], "class_order": "alphabetical",
    })  # fmt: skip


def key(**changes: object) -> Callable[[Copy], Copy]:
    return lambda copy: replace(copy, keys=copy.keys | changes)


def shuffled_names(names: list[str]) -> list[str]:
    return [names[at] for at in np.random.default_rng(5).permutation(len(names))]


def swapped(frames: np.ndarray) -> np.ndarray:
    return frames[..., ::-1]


def backwards(frames: np.ndarray) -> np.ndarray:
    return frames[::-1]


def mirrored(frames: np.ndarray) -> np.ndarray:
    return frames[:, :, ::-1]


def as_text(frames: np.ndarray) -> np.ndarray:
    return frames[[number - 1 for number in sorted(range(1, len(frames) + 1), key=str)]]


def unset_statistics(weights: dict) -> dict:
    """Batch-norm statistics as they are before training."""
    return {
        name: np.zeros_like(value)
        if name.endswith("running_mean")
        else np.ones_like(value)
        if name.endswith("running_var")
        else value
        for name, value in weights.items()
    }


FAULTS: dict[str, tuple[str, Callable[[Copy], Copy]]] = {
    "BGR frames": ("channel_order", lambda c: replace(c, frames=(*c.frames, swapped))),
    "range 0..1": ("value_range", key(value_range=1)),
    "mean of zero": ("mean", key(mean=[0, 0, 0])),
    "std of ImageNet": ("std", key(std=[57.375, 57.12, 58.395])),
    "resize twice": ("resize", key(resize=128)),
    "32 frames": ("frames", key(frames=32)),
    "reversed": ("order", lambda c: replace(c, frames=(*c.frames, backwards))),
    "mirrored": ("flip", lambda c: replace(c, frames=(*c.frames, mirrored))),
    "renumbered": ("numbering", lambda c: replace(c, frames=(*c.frames, as_text))),
    "half the frames listed": ("counts", lambda c: replace(c, listed=(lambda n: n // 2,))),
    "class file regenerated": ("labels", lambda c: replace(key(class_order="file")(c), names=(shuffled_names,))),
    "labels off by one": ("labels", lambda c: replace(c, labels=(lambda y: (y + 1) % 14,))),
    "labels one row off": ("labels", lambda c: replace(c, labels=(lambda y: np.roll(y, 1),))),
    "batch norms unset": ("statistics", lambda c: replace(c, checkpoint=(unset_statistics,))),
    "softmax twice": ("softmax applied twice", key(network="planted:build_doubled")),
}
"""Faults by name, each with the setting that a diagnosis has to name."""
HIDDEN = {frozenset(("batch norms unset", other)) for other in ("range 0..1", "mean of zero", "std of ImageNet")}
"""Pairs that no accuracy can tell apart: batch norms that use the batch undo every scale and offset of the input."""


def write_copy(copy: Copy, original: Path, folder: Path, model: str, most: int) -> None:
    """Write a copy of the data set with its entry and its checkpoint."""
    from safetensors.numpy import load_file, save_file

    data = folder / "data" / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "manifests").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    data.mkdir(parents=True)
    rows = [line.split() for line in (original / "val_videofolder.txt").read_text().splitlines()][:most]
    frames_folder = frames_of(copy, original, folder.parent, [(row[0], int(row[1])) for row in rows])
    (data / "frames").symlink_to(frames_folder)
    sorted_names = (original / "category.txt").read_text().split("\n")[:14]
    names = sorted_names
    if model == "oracle":
        rows = [[*row[:2], label] for row, label in zip(rows, np.load(folder.parent / "oracle.npy"), strict=True)]
    for change in copy.names:
        names = change(names)
    labels = np.array([names.index(sorted_names[int(row[2])]) for row in rows])
    for change in copy.labels:
        labels = change(labels)
    counts = [int(row[1]) for row in rows]
    for change in copy.listed:
        counts = [change(count) for count in counts]
    lines = [f"{row[0]} {count} {label}" for row, count, label in zip(rows, counts, labels, strict=True)]
    (data / "val.txt").write_text("\n".join(lines) + "\n")
    (data / "category.txt").write_text("\n".join(names) + "\n")
    (folder / "manifests" / "models.toml").write_text(ENTRY.format(**copy.keys))
    (folder / "planted.py").write_text(NETWORK)
    shipped = shipped_manifests() / "shapes" / f"{model}.safetensors"
    weights = load_file(folder.parent / "oracle.safetensors" if model == "oracle" else shipped)
    for change in copy.checkpoint:
        weights = change(weights)
    save_file(weights, folder / "checkpoints" / "network.safetensors")


def frames_of(copy: Copy, original: Path, work: Path, videos: list[tuple[str, int]]) -> Path:
    """The frames of a copy; copies with the same changes share them."""
    folder = work / "-".join(["frames", str(len(videos)), *sorted(change.__name__ for change in copy.frames)])
    if (folder / "done").exists():
        return folder
    for video, count in videos:
        pictures = [Image.open(original / "frames" / video / f"{number:05d}.jpg") for number in range(1, count + 1)]
        frames = np.stack([np.asarray(picture) for picture in pictures])
        frames[..., 0] = 255 - frames[..., 0]
        for change in copy.frames:
            frames = change(frames)
        (folder / video).mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames, start=1):
            Image.fromarray(np.ascontiguousarray(frame)).save(folder / video / f"{number:05d}.png", compress_level=1)
    (folder / "done").touch()
    return folder


def make_oracle(original: Path, work: Path, most: int) -> None:
    """Weights of a small random network, and as labels what it says of each video; a tenth of them are at random."""
    import torch
    from safetensors.torch import save_file

    np.save(work / "oracle.npy", np.zeros(most, np.int64))
    namespace: dict = {}
    exec(NETWORK, namespace)
    network = namespace["Oracle"](14)
    save_file(network.state_dict(), work / "oracle.safetensors")
    folder = work / "workspace-oracle"
    write_copy(sound("oracle"), original, folder, "oracle", most)
    workspace = Workspace.locate(folder)
    manifest = load_manifest(workspace)
    for code in missing_permissions([manifest.model("network")], workspace.root).values():
        allow(code)
    request = DiagnosisRequest(Request("network", device="cpu"), videos=0)
    setup = set_up(request, manifest, workspace, lambda base, *_: [base], lambda *_: None)
    clips = normalise(setup.store.clips(setup.places, setup.base), setup.base.spec)
    with torch.no_grad():
        for norm in (network.bn1, network.bn2):
            norm.momentum = None
        network.train()
        network(clips)
        network.eval()
        network.fc.weight /= network(clips).std(0)[:, None] / 3
        network.fc.bias.zero_()
        network.fc.bias -= network(clips).mean(0)
        labels = network(clips).argmax(1).numpy()
    save_file(network.state_dict(), work / "oracle.safetensors")
    by_row = np.empty(most, np.int64)
    by_row[setup.rows] = labels
    rng = np.random.default_rng(11)
    np.save(work / "oracle.npy", np.where(rng.random(most) < 0.1, rng.integers(0, 14, most), by_row))


MEMORY: dict[tuple[object, ...], dict[str, np.ndarray]] = {}
"""Scores float32 [C] by what is shown to which network, then by video."""


class RememberingNetwork(NetworkUnderTrial):
    """A network whose scores are computed once for all runs.

    Attributes:
        shown: the frames, list, weights and network of the copy.
    """

    shown: tuple[object, ...] = ()

    def all_scores(self, trials, places):
        usual = [trial for trial in trials if trial.statistics == "stored" and trial not in self.failures]
        begun = {trial: self._begin(trial, places) for trial in usual}
        for trial, passes in begun.items():
            try:
                for some, scores in passes:
                    self.clips_scored += len(some)
                    MEMORY[self.shown, trial].update(zip(self._ids(some), scores.result(), strict=True))
            except GsmBenchError as error:
                self.failures[trial] = error.what
        others = iter(super().all_scores([trial for trial in trials if trial not in begun], places))
        return [next(others) if trial not in begun else self._remembered(trial, places) for trial in trials]

    def _begin(self, trial: Trial, places):
        known = MEMORY.setdefault((self.shown, trial), {})
        new = [place for place, video in zip(places, self._ids(places), strict=True) if video not in known]
        batches = [new[start : start + self.batch] for start in range(0, len(new), self.batch)]
        return [(batch, self.pool.pool.submit(self._pass, trial, batch)) for batch in batches]

    def _remembered(self, trial: Trial, places) -> np.ndarray:
        if trial in self.failures:
            return np.empty((0, self.entry.tasks[self.task]), np.float32)
        known = MEMORY[self.shown, trial]
        return np.stack([known[video] for video in self._ids(places)])

    def _ids(self, places) -> list[str]:
        return [self.store.videos[place].id for place in places]


def set_up_copy(folder: Path, videos: int) -> Setup:
    workspace = Workspace.locate(folder)
    manifest = load_manifest(workspace)
    for code in missing_permissions([manifest.model("network")], workspace.root).values():
        allow(code)
    request = DiagnosisRequest(Request("network", device="cpu"), videos=videos)
    return set_up(request, manifest, workspace, every_trial, lambda *_: None)


def sample(setup: Setup, seed: int, videos: int) -> Setup:
    """A setup with some of its videos, at random."""
    chosen = np.random.default_rng(seed).permutation(len(setup.places))[:videos]
    return replace(setup, places=setup.places[chosen], rows=setup.rows[chosen])


def diagnose_copy(setup: Setup, shown: tuple[object, ...]) -> Diagnosis:
    with ForwardPool(setup.job.settings) as pool:
        network = RememberingNetwork(setup.job.entry, setup.load, setup.store, setup.job.settings, setup.task, pool)
        network.shown = shown
        return diagnose_setup(setup, network)


def plant(names: Iterable[str], model: str) -> Copy:
    copy = sound(model)
    for name in names:
        copy = FAULTS[name][1](copy)
    return copy


def runs(arguments: argparse.Namespace) -> Iterable[tuple[tuple[str, ...], int]]:
    chosen = arguments.faults.split(",") if arguments.faults else list(FAULTS)
    yield from (((), seed) for seed in range(arguments.sound))
    if arguments.singles:
        yield from (((name,), 0) for name in chosen)
    if arguments.pairs:
        yield from ((pair, 0) for pair in itertools.combinations(chosen, 2))


def all_named(expected: set[str], ranking: list[str]) -> bool:
    """Whether every fault is named first or second, and a sound run has none."""
    return expected <= set(ranking[:2]) if expected else not ranking


def summary(rows: list[dict]) -> str:
    """How many runs are right, by network, videos and the number of planted faults; and the longest whole run."""
    lines = []
    for network, videos, of in sorted({tuple(row["run"][:3]) for row in rows}):
        chosen = [row for row in rows if row["run"][:3] == [network, videos, of]]
        commits = {row["commit"][:10] for row in chosen}
        lines.append(
            f"{network}, {videos} of {of} videos, {'code' if len(commits) == 1 else 'codes'} {', '.join(commits)}"
        )
        for count, what in enumerate(("sound runs without an alarm", "single faults named", "pairs named")):
            some = [row for row in chosen if len(row["expected"]) == count]
            if some:
                extra = sum(bool(set(row["ranking"]) - set(row["expected"])) for row in some)
                more = f"; another cause beside them in {extra}" if count else ""
                lines.append(f"  {sum(row['right'] for row in some)} of {len(some)} {what}{more}")
        whole = [row["cpu_seconds"] for row in chosen if row["whole"]]
        if whole:
            middle, longest = np.median(whole), max(whole)
            lines.append(f"  {len(whole)} whole runs: median {middle:.0f} s of a processor, longest {longest:.0f} s")
    return "\n".join(lines)


def kept_rows(results: Path) -> list[dict]:
    """Rows of earlier runs; a last line that was cut off by a kill is removed."""
    if not results.exists():
        return []
    text = results.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        results.write_text(whole)
    return [json.loads(line) for line in whole.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", default="shapes_8f", choices=("shapes_8f", "oracle"))
    parser.add_argument("--faults", default="")
    parser.add_argument("--videos", type=int, default=300, help="that each run looks at")
    parser.add_argument("--of", type=int, default=560, help="videos of each copy")
    parser.add_argument("--part", default="1/1", help="only every n-th run: i/n; each part has results of its own")
    parser.add_argument("--singles", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--sound", type=int, default=0, metavar="N", help="sound runs on N random subsets")
    parser.add_argument("--results", type=Path, help="default: WORK/results.jsonl")
    arguments = parser.parse_args()
    part, parts = (int(number) for number in arguments.part.split("/"))
    name = "results.jsonl" if parts == 1 else f"results-{part}-{parts}.jsonl"
    results = arguments.results or arguments.work / name
    done = {tuple(row["run"]) for row in kept_rows(results)}
    whose = (arguments.model, str(arguments.videos), str(arguments.of))
    todo = [
        (names, seed) for number, (names, seed) in enumerate(runs(arguments))
        if number % parts == part - 1 and (*whose, *names, str(seed)) not in done
    ]  # fmt: skip
    if todo:
        prepare_work(arguments)
    make_runs(todo, whose, arguments, results)
    print(summary(kept_rows(results)))


def prepare_work(arguments: argparse.Namespace) -> None:
    """Draw the videos of the copies; give the oracle its weights."""
    original = arguments.work / "shapes"
    make(original, "val")
    if arguments.model == "oracle" and not (arguments.work / "oracle-done").exists():
        make_oracle(original, arguments.work, arguments.of)
        (arguments.work / "oracle-done").touch()
    os.environ["XDG_CONFIG_HOME"] = str(arguments.work.resolve() / "configuration")  # whose code may run


def make_runs(
    todo: list[tuple[tuple[str, ...], int]], whose: tuple[str, ...], arguments: argparse.Namespace, results: Path
) -> None:
    """Make the runs and add a line for each."""
    folder = arguments.work / f"workspace-{arguments.part.replace('/', '-')}"
    sound_setup: Setup | None = None
    for names, seed in todo:
        copy = plant(names, arguments.model)
        own_setup = bool(names) or sound_setup is None
        if own_setup:
            write_copy(copy, arguments.work / "shapes", folder, arguments.model, arguments.of)
        whole = own_setup and not any(shown == copy.shown for shown, _ in MEMORY)
        started, cpu = time.monotonic(), time.process_time()
        if names:
            setup = set_up_copy(folder, arguments.videos)
        else:
            sound_setup = sound_setup or set_up_copy(folder, 0)
            setup = sample(sound_setup, seed, arguments.videos)
        row = row_of(diagnose_copy(setup, copy.shown), names) | {
            "run": [*whose, *names, str(seed)], "commit": code_commit(), "whole": whole,
            "seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - cpu,
        }  # fmt: skip
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        after = "" if row["after"] is None else f" to {row['after']:.3f}"
        print(
            f"{'ok ' if row['right'] else 'BAD'} {' + '.join(names) or f'sound {seed}'}: {row['ranking']} {row['to']}, "
            f"{row['before']:.3f}{after}, {row['cpu_seconds']:.0f} s",
            flush=True,
        )


def row_of(outcome: Diagnosis, names: tuple[str, ...]) -> dict:
    """What a diagnosis of a copy says, beside what was planted."""
    expected = [FAULTS[name][0] for name in names]
    return {
        "expected": expected,
        "ranking": outcome.ranking,
        "right": all_named(set(expected), outcome.ranking),
        "hidden": frozenset(names) in HIDDEN,
        "before": outcome.before,
        "after": outcome.after,
        "alike": outcome.alike,
        "to": [cause.after for cause in outcome.causes],
        "tried": [(tried.name, tried.lift.value, tried.p) for tried in outcome.tried[:5]],
        "clips": outcome.clips_scored,
    }


if __name__ == "__main__":
    main()
