"""Rate of `score` with frames at a URL, as a share of the rate from a folder, and whether the scores have the same bits.

Servers run as processes of their own on this machine: files over http, with a delay before each answer, and an S3-like server
where moto is installed. The runs take turns, so that a busy machine slows all of them down.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
DELAY_S = 0.05
MODEL, BUCKET = "bninc_8f", "frames"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def serve(folder, delay_s):
    """Serve a folder over http until this process ends; prints its port."""
    from tests.frames.servers import http_server

    with http_server(folder, answers=lambda _: time.sleep(delay_s)) as server:
        print(server.server_address[1], flush=True)
        threading.Event().wait()


def serve_s3():
    """Serve S3 from memory until this process ends; prints its port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    while True:
        time.sleep(60)


@contextmanager
def process(*arguments):
    """A server in a process of its own; yields its URL."""
    server = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.terminate()
        server.wait()


def make_videos(folder, videos):
    """A workspace with videos as large as those of Something-Something-V1: 36 frames of 176 x 100 pixels."""
    from PIL import Image

    rng = np.random.default_rng(0)
    data, frames = folder / "data" / "something-v1", folder / "far" / "frames"
    data.mkdir(parents=True)
    for video in range(videos):
        (frames / str(video)).mkdir(parents=True)
        small = rng.integers(0, 255, (13, 22, 3), np.uint8)
        for number in range(1, 37):
            picture = Image.fromarray(np.roll(small, number, axis=1)).resize((176, 100), Image.Resampling.BICUBIC)
            picture.save(frames / str(video) / f"{number:05d}.jpg", quality=90)
    (data / "val_videofolder.txt").write_text("".join(f"{video} 36 {video % 174}\n" for video in range(videos)))
    with zipfile.ZipFile(folder / "far" / "frames.zip", "w") as archive:
        for path in sorted(frames.rglob("*.jpg")):
            archive.write(path, path.relative_to(frames.parent))
    return frames


def fill_bucket(url, frames):
    """Copy the frames to an S3-like server."""
    import boto3

    os.environ.update(KEYS, AWS_ENDPOINT_URL=url)
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    for path in frames.rglob("*.jpg"):
        client.put_object(Bucket=BUCKET, Key=str(path.relative_to(frames)), Body=path.read_bytes())
    return f"s3://{BUCKET}"


class Scoring:
    """Scores all videos from one place after the other with one network of random weights."""

    def __init__(self, folder):
        import torch

        from gsm_bench.manifest import load_manifest
        from gsm_bench.nets.registry import network_for
        from gsm_bench.workspace import Workspace

        torch.manual_seed(0)
        self.workspace = Workspace(folder)
        self.manifest = load_manifest(self.workspace)
        self.network = network_for(self.manifest.model(MODEL), search=folder).eval()

    def seconds(self, place, ahead=None):
        """Seconds and CPU seconds of a run, from the first look at the frames to the score file, and the hash of its scores."""
        from gsm_bench.frames.sources import remote
        from gsm_bench.places import place_of
        from gsm_bench.scorefile import content_hash
        from gsm_bench.scoring.prepare import Request, job_of
        from gsm_bench.scoring.resume import open_run
        from gsm_bench.scoring.run import run

        remote._connection.cache_clear()
        out = self.workspace.root / "out.h5"
        out.unlink(missing_ok=True)
        began, worked = time.perf_counter(), time.process_time()
        request = Request(MODEL, frames=place_of(str(place)), clips=1, out=out, fresh=True)
        job = job_of(request, self.manifest, self.workspace)
        if ahead is not None:
            job.source.videos_ahead = ahead
        outcome = run(open_run(job), self.network)
        seconds = time.perf_counter() - began, time.process_time() - worked
        assert not outcome.bad, outcome.bad
        return *seconds, content_hash(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "DELAY_S"), help=argparse.SUPPRESS)
    parser.add_argument("--serve-s3", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], float(options.serve[1]))
    if options.serve_s3:
        serve_s3()
    with tempfile.TemporaryDirectory() as text, ExitStack() as servers:
        folder = Path(text)
        frames = make_videos(folder, options.videos)
        far = servers.enter_context(process("--serve", str(folder / "far"), str(DELAY_S)))
        places = {
            "folder": (frames,),
            "http, 50 ms": (f"{far}/frames",),
            "zip over http, 50 ms": (f"{far}/frames.zip",),
            "http, 50 ms, nothing fetched ahead": (f"{far}/frames", 0),
        }
        if find_spec("moto") and find_spec("s3fs"):
            places["S3-like server"] = (fill_bucket(servers.enter_context(process("--serve-s3")), frames),)
        measured(Scoring(folder), places, options)


def measured(scoring, places, options):
    """Print seconds per video and the share of the folder's rate, by the clock and by CPU time, of turns of all places."""
    scoring.seconds(places["folder"][0])  # the first run prepares the network
    taken, hashes = {name: [] for name in places}, {name: set() for name in places}
    for _ in range(options.turns):
        for name, place in places.items():
            *seconds, bits = scoring.seconds(*place)
            taken[name].append(seconds)
            hashes[name].add(bits)
            print(f"{name}: {seconds[0]:.1f} s, {seconds[1]:.1f} s of CPU time", file=sys.stderr, flush=True)
    print(f"{'':38}{'s per video':>12}{'share of the rate':>22}{'by CPU time':>22}{'same bits':>11}")
    for name, each in taken.items():
        clock, cpu = (
            [before[at] / after[at] for before, after in zip(taken["folder"], each, strict=True)] for at in range(2)
        )
        shown = [f"{statistics.median(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in (clock, cpu)]
        per_video = statistics.median(seconds for seconds, _ in each) / options.videos
        print(f"{name:38}{per_video:12.3f}{shown[0]:>22}{shown[1]:>22}{hashes[name] == hashes['folder']!s:>11}")
    if options.json:
        options.json.write_text(json.dumps({"videos": options.videos, "seconds": taken}, indent=2) + "\n")


if __name__ == "__main__":
    main()
