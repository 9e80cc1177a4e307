"""Speed bars, each as a ratio to plain code in the same run; run with ``make bench``.

Prints a table; ``--json FILE`` keeps the raw figures. Machines are noisy: medians of alternating runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "tests" / "reference"
CLIPS, CLASSES = 11_522, 174
DUMPED = 24_777
MEMBERS = {"inv3_8f": 2, "inv3_12f": 2, "inv3_16f": 2, "inv3_24f": 2}
sys.path[:0] = [str(ROOT), str(REFERENCE)]


def timed(command, cwd):
    """Wall seconds and peak memory in MB of a whole process."""
    code = (
        "import resource, subprocess, sys, time, json\n"
        "began = time.perf_counter()\n"
        "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "seconds = time.perf_counter() - began\n"
        "print(json.dumps([status, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))"
    )
    ran = subprocess.run([sys.executable, "-c", code, *command], cwd=cwd, capture_output=True, text=True, check=True)
    status, seconds, megabytes = json.loads(ran.stdout)
    assert status == 0, ran.stderr
    return seconds, megabytes


def alternate(runs, **commands):
    """Medians of each command's wall time and memory, the commands taking turns."""
    seen = {name: [] for name in commands}
    for _ in range(runs):
        for name, call in commands.items():
            seen[name].append(call())
    return {name: [statistics.median(values) for values in zip(*found, strict=True)] for name, found in seen.items()}


def gsmbench(*arguments):
    return [sys.executable, "-m", "gsm_bench", *arguments]


def bench_help(folder):
    found = alternate(
        9, help=lambda: timed(gsmbench("--help"), folder), python=lambda: timed([sys.executable, "-c", "pass"], folder)
    )
    yield "gsmbench --help, whole process", found["help"][0], f"bare python {found['python'][0]:.3f} s", "under 0.25 s"


def write_ensemble_inputs(folder):
    from scores import noisy_logits

    from gsm_bench.scorefile import ClipScores, views_array, write
    from gsm_bench.splits import ids_sha256

    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, CLIPS)
    ids = tuple(str(100_000 + 7 * row) for row in range(CLIPS))
    data = folder / "data" / "something-v1"
    data.mkdir(parents=True)
    rows = zip(ids, rng.integers(20, 90, CLIPS), labels, strict=True)
    (data / "val_videofolder.txt").write_text("".join(f"{name} {frames} {label}\n" for name, frames, label in rows))
    np.save(folder / "labels.npy", labels)
    for seed, (name, views) in enumerate(MEMBERS.items()):
        scores = np.stack([noisy_logits(labels, CLASSES, seed * 8 + view) for view in range(views)], axis=1)
        np.save(folder / f"{name}.npy", scores)
        said = {
            "model": name,
            "dataset": "something-v1",
            "split": "validation",
            "split_sha256": ids_sha256(ids),
            "sampling": {"frames": 8},
        }
        head = {
            "ids": ids,
            "kinds": {"action": "logits"},
            "classes_per_task": {"action": CLASSES},
            "views": views_array((0.0, 0.5), 1),
        }
        content = ClipScores(**head, status=np.zeros(CLIPS, np.uint8), provenance=said, scores={"action": scores})
        write(folder / "scores" / "something-v1" / "validation" / f"{name}.h5", content)


PLAIN_FUSE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, plain
members = [np.load(f"{name}.npy")[:, -clips:] for name, clips in (("inv3_8f", 2), ("inv3_12f", 2), ("inv3_16f", 1), ("inv3_24f", 1))]
print(plain.fuse(members, np.load("labels.npy")))
"""


def bench_ensemble(folder):
    write_ensemble_inputs(folder)
    found = alternate(
        7,
        ours=lambda: timed(gsmbench("ensemble", "En3x2"), folder),
        plain=lambda: timed([sys.executable, "-c", PLAIN_FUSE, str(REFERENCE)], folder),
    )
    ratio = found["plain"][0] / found["ours"][0]
    yield (
        "ensemble En3x2, 11,522 x 174, whole process",
        found["ours"][0],
        f"plain.fuse {found['plain'][0]:.2f} s: {ratio:.1f} times",
        "0.75 s",
    )
    yield "  its peak memory (MB)", found["ours"][1], f"plain.fuse {found['plain'][1]:.0f} MB", "300 MB"


def bench_network(folder):
    """Networks alone: scores from frames that are read and resized already."""
    import plain
    import torch

    from gsm_bench.frames.transform import normalise
    from gsm_bench.scoring.network import ForwardPool, Scorer, collect

    for name, job, network, pixels in scoring_inputs(folder):
        clips = [normalise(torch.from_numpy(clip), job.entry.input) for clip in pixels]
        batches = [pixels[at : at + job.settings.batch] for at in range(0, len(pixels), job.settings.batch)]
        answers = {}
        with ForwardPool(job.settings) as forward_pool:
            scorer = Scorer(network, job.entry, job.settings, forward_pool)

            def ours(spec=job.entry.input, forward_pool=forward_pool, scorer=scorer, batches=batches, answers=answers):
                began = time.perf_counter()
                inputs = [forward_pool.loader.load([batch], [spec])[0] for batch in batches]
                passes = [(scorer.submit(batch), batch.present) for batch in inputs]
                answers["ours"] = np.concatenate([collect(futures, those)["action"][:, 0] for futures, those in passes])
                return time.perf_counter() - began, 0.0

            def theirs(network=network, clips=clips, answers=answers):
                began = time.perf_counter()
                answers["plain"] = plain.score_clips(network, clips)
                return time.perf_counter() - began, 0.0

            ours(), theirs()
            found = alternate(7, plain=theirs, ours=ours)
        ratio, count = found["plain"][0] / found["ours"][0], len(clips)
        apart = np.abs(answers["ours"] - answers["plain"]).max() / answers["plain"].std()
        yield (
            f"{name}: network alone, s per clip", found["ours"][0] / count,
            f"plain.score_clips {found['plain'][0] / count:.3f} s: {ratio:.2f} times, {apart:.0e} of the spread apart",
            "at least 1.8 times, 1e-4",
        )  # fmt: skip


def bench_scoring(folder):
    import plain
    import torch

    from gsm_bench.frames.transform import normalise
    from gsm_bench.scoring.run import run

    for name, job, network, pixels in scoring_inputs(folder):
        clips = [normalise(torch.from_numpy(clip), job.entry.input) for clip in pixels]

        def ours(job=job, network=network):
            return run(job, network).seconds, 0.0

        def theirs(network=network, clips=clips):
            began = time.perf_counter()
            plain.score_clips(network, clips)
            return time.perf_counter() - began, 0.0

        found = alternate(5, plain=theirs, ours=ours)
        ratio = found["plain"][0] / found["ours"][0]
        count = len(clips)
        yield (
            f"{name}: JPEG to score file, s per clip", found["ours"][0] / count,
            f"plain.score_clips on ready tensors {found['plain'][0] / count:.3f} s: {ratio:.2f} times", "at least 1.6 times",
        )  # fmt: skip


def scoring_inputs(folder, repeats=4):
    """Per network: its name, a one-clip job on the reference clips, the network with gates that are open, pixels."""
    import torch

    from gsm_bench.frames.read_views import read_views
    from gsm_bench.manifest import load_manifest
    from gsm_bench.nets.gate_shift import GateShift
    from gsm_bench.nets.registry import network_for
    from gsm_bench.scoring.prepare import Request, job_of
    from gsm_bench.workspace import Workspace

    workspace, data = Workspace.locate(folder), folder / "clips"
    manifest = load_manifest(workspace)
    _repeat_clips(data, repeats)
    for name in ("bninc_8f", "inv3_8f"):
        entry = manifest.model(name)
        torch.manual_seed(0)
        network = network_for(entry).eval()
        for module in network.modules():
            if isinstance(module, GateShift):
                torch.nn.init.normal_(module.conv3D.weight, std=0.05)
        request = Request(name, data=data, clips=1, fresh=True, out=folder / f"{name}.h5")
        job = job_of(request, manifest, workspace, "0" * 64)
        pixels = [read_views(job.source, job.split.video(row), job.read_plan).pixels for row in range(len(job.split))]
        yield name, job, network, pixels


def _repeat_clips(data, repeats):
    """The reference clips under new names, as one longer list."""
    source = REFERENCE / "e2e"
    frames = data / "20bn-something-something-v1"
    frames.mkdir(parents=True)
    rows = [line.split() for line in (source / "val_videofolder.txt").read_text().splitlines()]
    lines = []
    for copy in range(repeats):
        for name, length, label in rows:
            (frames / f"{name}-{copy}").symlink_to(source / "20bn-something-something-v1" / name)
            lines.append(f"{name}-{copy} {length} {label}\n")
    (data / "val_videofolder.txt").write_text("".join(lines))


SEGMENTS = 13_092
EPIC_STEP = """
import json, resource, sys, time
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
import numpy as np
verb, noun = np.load("verb.npy"), np.load("noun.npy")
ids = [f"P01_101_{at}" for at in range(len(verb))]
{prepare}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
{step}
seconds = time.perf_counter() - began
print(json.dumps([seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""
OUR_ANSWERS = """
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.submit.server_scores import ServerScores, rounded
from gsm_bench.submit.check import check_file
from gsm_bench.submit.document import json_pieces, write_zip
from gsm_bench.submit.rescore import rescore
from gsm_bench.submit.targets import EPIC_100
"""
OUR_ZIP = """
exact = ServerScores(tuple(ids), log_softmax(verb.astype(np.float64)), log_softmax(noun.astype(np.float64)), sls=dict(sls_pt=1, sls_tl=3, sls_td=3))
write_zip(Path("ours.zip"), [("test.json", json_pieces(rounded(exact), EPIC_100))])
"""
OUR_READING = """
verdict = check_file(Path("ours.zip"), lambda *_: ids)
assert verdict.passes, verdict.findings
assert not any(result.changed for result in rescore(verdict.contents["test.json"], exact).values())
"""
EPIC_STEPS = {
    "ours: 100 best actions": ("from gsm_bench.metrics.top_actions import top_actions", "top_actions(verb, noun)"),
    "plain: 100 best actions": ("import plain", "plain.top_actions(verb, noun)"),
    "ours: zip": (OUR_ANSWERS, OUR_ZIP),
    "ours: zip and reading it back": (OUR_ANSWERS, OUR_ZIP + OUR_READING),
    "plain: zip": ("import plain", "plain.epic100_zip('plain.zip', ids, verb, noun)"),
}


def bench_epic(folder):
    """EPIC-KITCHENS-100: 13,092 clips, 97 verbs, 300 nouns; memory above the inputs."""
    from scores import noisy_logits

    rng = np.random.default_rng(1)
    for seed, (task, classes) in enumerate((("verb", 97), ("noun", 300)), start=1):
        np.save(folder / f"{task}.npy", noisy_logits(rng.integers(0, classes, SEGMENTS), classes, seed))

    def step(name):
        prepare, code = EPIC_STEPS[name]
        command = [
            sys.executable,
            "-c",
            EPIC_STEP.replace("{prepare}", prepare).replace("{step}", code),
            str(ROOT),
            str(REFERENCE),
        ]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return tuple(json.loads(ran.stdout))

    found = alternate(5, **{name: lambda name=name: step(name) for name in EPIC_STEPS})
    best, plain = found["ours: 100 best actions"], found["plain: 100 best actions"]
    yield (
        "100 best actions, 13,092 x 97 x 300", best[0],
        f"plain.top_actions {plain[0]:.2f} s, {plain[1]:.0f} MB: {plain[0] / best[0]:.0f} times", "30 times",
    )  # fmt: skip
    yield "  its memory above the inputs (MB)", best[1], "", "300 MB"
    zipped, plain = found["ours: zip"], found["plain: zip"]
    yield (
        "EPIC-100 zip: rank, round, write", zipped[0],
        f"plain.epic100_zip {plain[0]:.1f} s, {plain[1]:.0f} MB: {plain[0] / zipped[0]:.1f} times", "3 s",
    )  # fmt: skip
    yield "  its memory above the inputs (MB)", zipped[1], "", "400 MB"
    sizes = [(folder / name).stat().st_size / 1e6 for name in ("ours.zip", "plain.zip")]
    yield "  size of the zip (MB)", sizes[0], f"plain {sizes[1]:.1f} MB", "34 MB"
    whole = found["ours: zip and reading it back"]
    yield "EPIC-100 zip: written, read back, checked, rescored", whole[0], "", "7.5 s"
    yield "  its memory above the inputs (MB)", whole[1], "", "1,000 MB"


UNSAFE_LOAD = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    print(len(pickle.load(file)))
"""


def bench_import(folder):
    """A dump of mmaction2 as large as a Something-V2 validation, read safely and written as a score file."""
    import pickle

    import torch

    torch.manual_seed(0)
    scores = torch.softmax(3 * torch.randn(DUMPED, CLASSES), 1)
    labels = torch.randint(CLASSES, (DUMPED, 1))
    rows = [{"pred_score": row.clone(), "gt_label": label.clone()} for row, label in zip(scores, labels, strict=True)]
    dump = folder / "dump.pkl"
    with dump.open("wb") as file:
        pickle.dump(rows, file, protocol=2)
    from gsm_bench.importers.pickles import load

    def in_process(read):
        content = dump.read_bytes()
        began = time.perf_counter()
        read(content)
        return time.perf_counter() - began, 0.0

    found = alternate(
        5,
        ours=lambda: timed(gsmbench("import", str(dump), "--out", str(folder / "x.h5"), "--force"), folder),
        plain=lambda: timed([sys.executable, "-c", UNSAFE_LOAD, str(dump)], folder),
        safe=lambda: in_process(lambda content: load(content, dump)),
        unsafe=lambda: in_process(pickle.loads),
    )
    ratio = found["ours"][0] / found["plain"][0]
    yield (
        "import of 24,777 x 174 from mmaction2, whole process", found["ours"][0],
        f"pickle.load alone, whole process {found['plain'][0]:.2f} s: {ratio:.2f} times", "3 times",
    )  # fmt: skip
    ratio = found["safe"][0] / found["unsafe"][0]
    yield "  reading alone", found["safe"][0], f"pickle.loads {found['unsafe'][0]:.2f} s: {ratio:.2f} times", "3 times"
    yield "  peak memory (MB)", found["ours"][1], f"pickle.load {found['plain'][1]:.0f} MB", "-"


def write_pool(folder, count):
    """So many one-clip members on 11,522 clips of 174 classes; their names and the labels."""
    from scores import noisy_logits

    from gsm_bench.scorefile import ClipScores, views_array, write

    labels = np.random.default_rng(0).integers(0, CLASSES, CLIPS)
    head = {
        "ids": tuple(map(str, range(CLIPS))),
        "kinds": {"action": "logits"},
        "classes_per_task": {"action": CLASSES},
        "views": views_array((0.5,), 1),
        "labels": {"action": labels.astype(np.int32)},
    }
    for seed in range(count):
        scores = {"action": noisy_logits(labels, CLASSES, seed)[:, None]}
        said = {"model": f"m{seed}", "macs_paper_per_view": 10**9, "params": 10**6}
        content = ClipScores(**head, status=np.zeros(CLIPS, np.uint8), provenance=said, scores=scores)
        write(folder / f"m{seed}.h5", content)
    return [f"m{seed}.h5" for seed in range(count)], labels


def plain_subsets(folder, names, labels, count):
    """Seconds that the obvious code takes for so many subsets of half the pool: add, sort, look."""
    import h5py

    scores = [h5py.File(folder / name)["scores/action"][:, 0] for name in names]
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    for _ in range(count):
        fused = sum(scores[at] for at in rng.permutation(len(names))[: len(names) // 2])
        order = np.argsort(-fused, axis=1, kind="stable")[:, :5]
        (order[:, 0] == labels).mean(), (order == labels[:, None]).any(axis=1).mean()
    return time.perf_counter() - began


def bench_search(folder):
    names, labels = write_pool(folder, 12)
    seconds, megabytes = timed(gsmbench("search", *names, "--quiet"), folder)
    plain = plain_subsets(folder, names, labels, 10) / 10 * 4095
    beside = f"plain code for 4,095 subsets, from 10: {plain:.0f} s: {plain / seconds:.0f} times"
    yield "search, 4,095 subsets of 12, whole process", seconds, beside, "10 s on 2 cores"
    yield "  its peak memory (MB)", megabytes, "", "600 MB"


def bench_greedy(folder):
    from gsm_bench.ensembles.members import MemberSpec, open_members
    from gsm_bench.selection.greedy import member_scores, select

    names, labels = write_pool(folder, 64)
    with open_members([MemberSpec(name, folder / name, 1, 1.0) for name in names]) as members:
        began = time.perf_counter()
        blocks = member_scores(members, "action", "logits", labels)
        select(blocks, np.ones(CLIPS, bool), len(names))
        seconds = time.perf_counter() - began
    plain = plain_subsets(folder, names[:2], labels, 10) / 10 * 6400
    beside = f"plain code for 6,400 additions, from 10: {plain:.0f} s: {plain / seconds:.0f} times"
    yield "greedy selection, 64 members, 100 rounds", seconds, beside, "15 s"


BENCHES = {
    "help": bench_help,
    "ensemble": bench_ensemble,
    "network": bench_network,
    "scoring": bench_scoring,
    "epic": bench_epic,
    "import": bench_import,
    "search": bench_search,
    "greedy": bench_greedy,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which (default: all)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    figures = []
    for name in chosen.names or BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            for what, value, beside, bar in BENCHES[name](Path(folder)):
                figures.append({"what": what, "value": value, "beside": beside, "bar": bar})
                print(f"{what:<46} {value:>9.3f}   {beside:<62} bar: {bar}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
