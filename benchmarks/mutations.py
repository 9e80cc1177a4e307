"""Damage files at random and look at what the commands make of them.

    python benchmarks/mutations.py [--number 2000] [--seed 0]

Seven kinds of file: score files, lists, TOML, checkpoints, JPEGs, videos, archives. Each damaged file is given to the command
that reads it. Counted: sound results, refusals in one error, named videos or warnings; and faults: tracebacks, runs of over
10 s, results that differ from those of the sound file without a word.
"""

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import av
import h5py
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from gsm_bench.cli import main
from gsm_bench.manifest import load_manifest
from gsm_bench.nets.registry import network_for
from gsm_bench.scorefile import write
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_MANIFEST, TOY_NETWORK, clip_scores, trust

LIMIT_S = 10
VIDEOS = 3


def build(root):
    """A workspace with three videos in each form, a checkpoint, labelled scores of 60 videos."""
    rng = np.random.default_rng(0)
    (root / "manifests").mkdir()
    (root / "manifests/toy.toml").write_text(TOY_MANIFEST)
    (root / "toynet.py").write_text(TOY_NETWORK)
    for form in ("jpeg", "video", "archive"):
        data = root / form
        for number in range(VIDEOS):
            frames = [rng.integers(0, 255, (24, 32, 3), np.uint8).repeat(2, 0).repeat(2, 1) for _ in range(6)]
            place = data / "frames" / f"v{number}"
            if form == "video":
                place.parent.mkdir(parents=True, exist_ok=True)
                encode(place.with_suffix(".mp4"), frames)
                continue
            place.mkdir(parents=True)
            for at, frame in enumerate(frames, start=1):
                Image.fromarray(frame).save(place / f"{at:05d}.jpg")
            if form == "archive":
                with tarfile.open(place.with_suffix(".tar"), "w") as archive:
                    for path in sorted(place.iterdir()):
                        archive.add(path, path.name)
                shutil.rmtree(place)
        (data / "val.txt").write_text("".join(f"v{n} 6 {n}\n" for n in range(VIDEOS)))
        (data / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    labels = rng.integers(0, 5, 60)
    (root / "data/toy").mkdir(parents=True)
    (root / "data/toy/val.txt").write_text("".join(f"v{row} 9 {label}\n" for row, label in enumerate(labels)))
    (root / "data/toy/classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    scores = rng.standard_normal((60, 2, 5)) + 2 * np.eye(5)[labels][:, None]
    place = {"dataset": "toy", "split": "val", "model": "a", "sampling": {"frames": 4}}
    write(root / "a.h5", clip_scores(scores, **place))
    torch.manual_seed(0)
    (root / "checkpoints").mkdir()
    os.environ["XDG_CONFIG_HOME"] = str(root / "configuration")
    trust(Workspace.locate(root))
    network = network_for(load_manifest(Workspace.locate(root)).model("toy_4f"), search=root)
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, root / "checkpoints/toy.safetensors")


def encode(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def score(form):
    return ["score", "--model", "toy_4f", "--data", form, "--out", "out.h5", "--fresh", "--quiet", "--device", "cpu", "--threads", "1", "--workers", "1"]  # fmt: skip  # noqa: E501


KINDS = {
    "score file": ("a.h5", ["evaluate", "a.h5", "--format", "json"]),
    "list": ("data/toy/val.txt", ["evaluate", "a.h5", "--format", "json"]),
    "TOML": ("manifests/toy.toml", ["evaluate", "a.h5", "--format", "json"]),
    "checkpoint": ("checkpoints/toy.safetensors", score("jpeg")),
    "JPEG": ("jpeg/frames/v1/00003.jpg", score("jpeg")),
    "video": ("video/frames/v1.mp4", score("video")),
    "archive": ("archive/frames/v1.tar", score("archive")),
}


def mutate(content, rng):
    content = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(content)))
        match int(rng.integers(4)):
            case 0:
                content[at] ^= 1 << int(rng.integers(8))
            case 1:
                content[at : at + int(rng.integers(1, 64))] = rng.bytes(int(rng.integers(0, 64)))
            case 2:
                del content[at : at + int(rng.integers(1, max(2, len(content) // 4)))]
            case 3:
                content[at : at + 8] = bytes(8)
        if not content:
            break
    return bytes(content)


def run(arguments):
    """Exit status, standard output, messages; status "traceback" or "over time"."""

    def stop(*_):
        raise TimeoutError

    out, err = io.StringIO(), io.StringIO()
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(arguments)
        status = 0
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    except TimeoutError:
        status = "over time"
    except BaseException:
        status = "traceback"
        err.write(traceback.format_exc())
    finally:
        signal.alarm(0)
    return status, out.getvalue(), err.getvalue()


def numbers_of(arguments, out):
    """What the command computed: rows of the table, or the scores and their status."""
    if arguments[0] != "score":
        rows = json.loads(out)["rows"]
        return json.dumps([{k: v for k, v in row.items() if isinstance(v, int | float)} for row in rows])
    with h5py.File("out.h5") as file:
        scored = file["status"][()] == 0
        return {row: file["scores/action"][row].tobytes() for row in np.flatnonzero(scored)}


def words(messages):
    """Messages without numbers: times differ from run to run."""
    return re.sub(r"[\d.,]+", "", messages).split()


def judge(arguments, sound, kept):
    """One word for what a damaged file led to."""
    status, out, err = run(arguments)
    Path("out.h5").unlink(missing_ok=True) if status not in (0, 3) else None
    if status in ("traceback", "over time"):
        return status, err
    if status in (1, 2):
        return ("refused" if "error" in err.lower() or "usage" in err.lower() else "no message"), err
    numbers = numbers_of(arguments, out)
    if isinstance(numbers, dict):
        other = [row for row, scores in numbers.items() if sound.get(row) != scores]
        if other:
            return ("other numbers, said" if words(err) != words(kept) else "other numbers"), err
        return ("videos named" if status == 3 else "same numbers"), err
    if numbers == sound:
        return "same numbers", err
    return ("other numbers, said" if words(err) != words(kept) else "other numbers"), err


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    kinds = options.kinds.split(",")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        build(Path(folder))
        print(f"{'kind':<12} tries  outcomes", flush=True)
        for kind in kinds:
            place, arguments = KINDS[kind]
            path, content = Path(place), Path(place).read_bytes()
            status, out, kept = run(arguments)
            assert status == 0, kept
            sound = numbers_of(arguments, out)
            outcomes, slowest = Counter(), 0.0
            for at in range(options.number // len(kinds)):
                path.write_bytes(mutate(content, np.random.default_rng([options.seed, len(place), at])))
                start_s = time.monotonic()
                word, message = judge(arguments, sound, kept)
                slowest = max(slowest, time.monotonic() - start_s)
                outcomes[word] += 1
                if word in ("traceback", "over time", "no message"):
                    print(f"  {kind}, try {at}: {word}\n{message[-1500:]}", flush=True)
            path.write_bytes(content)
            counts = ", ".join(f"{count} {word}" for word, count in outcomes.most_common())
            print(f"{kind:<12} {sum(outcomes.values()):>5}  {counts}; slowest {slowest:.1f} s", flush=True)
