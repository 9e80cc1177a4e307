"""The report against its bars: size, time and memory of writing; seconds until it can be used; filters; the playground.

Scores, labels and frames are made. Pages open in chromium, slowed down 4 times through the DevTools protocol, without a
network. Run with ``python benchmarks/report.py [--videos N] [--models N] [--many N] [--frames]``; needs playwright and chromium.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent.parent)]
from gsm_bench.scorefile import ClipScores, views_array, write  # noqa: E402
from gsm_bench.splits import ids_sha256  # noqa: E402
from tests.report.browser import ARGUMENTS, READY, executable  # noqa: E402

CLASSES, FRAMES_OF_VIDEO, TEXTURES = 174, 45, 24
SLOWER = 4
TIMED = """new MutationObserver(() => {
  if (document.documentElement.dataset.ready && !window.readyAt) window.readyAt = performance.now();
}).observe(document, { subtree: true, attributes: true, childList: true });"""
FILTER = """async () => {
  const select = [...document.querySelectorAll("main:not([hidden]) .filters label")].find((one) => one.innerText.startsWith("Wrong by")).lastChild;
  const times = [];
  for (const value of [1, 2, 3, 4, 5].map((at) => select.options[at % select.options.length].value)) {
    const started = performance.now();
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - started);
  }
  return times.sort((one, other) => one - other)[2];
}"""
FUSE = """(shape) => {
  %s
  const size = shape.videos * shape.classes;
  const mixed = (seed) => Uint8Array.from({ length: size }, (_, at) => ((at * 7919 + seed * 104729) >>> 5) & 255);
  const codes = Array.from({ length: shape.members }, (_, seed) => mixed(seed));
  const scored = new Uint8Array(shape.members * shape.videos).fill(1);
  const fuser = fusion.create(codes, scored, { ...shape, levels: 256, deepest: 20 });
  const [total, rest] = [fuser.total(), fuser.total()];
  const labels = Uint8Array.from({ length: shape.videos }, (_, row) => row %% shape.classes);
  const rows = fuser.countedRows([0], labels, 255);
  const members = codes.map((_, layer) => ({ layers: [layer], weight: 1, temperature: 1 }));
  const timed = (work) => {
    const times = [];
    for (let at = 0; at < 9; at++) {
      const started = performance.now();
      fuser.hits(work(at), labels, rows);
      times.push(performance.now() - started);
    }
    return times.sort((one, other) => one - other)[4];
  };
  return [false, true].flatMap((probabilities) => [
    timed(() => { fuser.sum(rest, members, probabilities); return rest; }),
    timed((at) => { fuser.sum(total, [{ ...members[0], weight: at }], probabilities, rest); return total; }),
  ]);
}"""


def write_workspace(root: Path, videos: int, models: int) -> None:
    """Score files of made models on Something-V1's split, with their list."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, videos)
    ids = tuple(str(100_000 + row) for row in range(videos))
    data = root / "data" / "something-v1"
    data.mkdir(parents=True)
    lines = (f"{name} {FRAMES_OF_VIDEO} {label}\n" for name, label in zip(ids, labels, strict=True))
    (data / "val_videofolder.txt").write_text("".join(lines))
    (data / "category.txt").write_text("".join(f"Class {number:03d}\n" for number in range(CLASSES)))
    base = rng.standard_normal((videos, CLASSES), np.float32)
    for number in range(models):
        scores = 1.6 * (base + 0.9 * rng.standard_normal((videos, CLASSES), np.float32))
        scores[np.arange(videos), labels] += rng.normal(4.6, 2.2, videos)
        provenance = {
            "model": f"m{number:02d}", "dataset": "something-v1", "split": "validation", "split_sha256": ids_sha256(ids),
            "sampling": {"frames": (8, 12, 16, 24)[number % 4]}, "macs_paper_per_view": 10**10 * (number + 1),
            "params": 10**7,
        }  # fmt: skip
        content = ClipScores(
            ids=ids, kinds={"action": "logits"}, classes_per_task={"action": CLASSES}, views=views_array((0.5,), 1),
            status=np.zeros(videos, np.uint8), provenance=provenance, scores={"action": scores[:, None]},
        )  # fmt: skip
        write(root / "scores" / "something-v1" / "validation" / f"m{number:02d}.h5", content)


def write_frames(root: Path, videos: int) -> None:
    """Frames of every video: a camera that moves over one of some textures; most folders are links."""
    from PIL import Image

    frames = root / "data" / "something-v1" / "20bn-something-something-v1"
    frames.mkdir()
    for number in range(min(TEXTURES, videos)):
        rng = np.random.default_rng(number)
        waves = np.fft.rfft2(rng.standard_normal((3, 512, 512))) / (1 + 512 * np.hypot(*_frequencies(512)))
        texture = np.fft.irfft2(waves)
        texture = np.uint8(np.clip(128 + 60 * texture / texture.std(), 0, 255)).transpose(1, 2, 0)
        folder = frames / str(100_000 + number)
        folder.mkdir()
        for at in range(FRAMES_OF_VIDEO):
            left, top = 2 * at, at
            picture = (
                texture[top : top + 180, left : left + 240] // 2 + rng.integers(0, 8, (180, 240, 1), np.uint8) + 60
            )
            Image.fromarray(np.uint8(picture)).save(folder / f"{at + 1:05d}.jpg", quality=85)
    for number in range(TEXTURES, videos):
        (frames / str(100_000 + number)).symlink_to(str(100_000 + number % TEXTURES))


def _frequencies(size):
    return np.meshgrid(np.abs(np.fft.rfftfreq(size)), np.abs(np.fft.fftfreq(size)))


def written(root: Path, *options: str) -> tuple[Path, float, float, float]:
    """A report; seconds of its command and of processors, and its peak memory in GB."""
    path = root / f"{len(list(root.glob('*.html')))}.html"
    command = [
        sys.executable,
        "-m",
        "gsm_bench",
        "--workspace",
        str(root),
        "report",
        "--out",
        str(path),
        "--quiet",
        *options,
    ]
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise SystemExit("report failed")
    memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    return path, time.perf_counter() - started, used.ru_utime + used.ru_stime, memory


def opened(engine, path: Path, slower: float = SLOWER, at: str = ""):
    """A page that is ready, and the requests that it made beside its own file."""
    page = engine.new_page()
    page.add_init_script(TIMED)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(path.as_uri() + at)
    page.wait_for_selector(READY, state="attached", timeout=120_000)
    return page, [url for url in requests if not url.startswith((path.as_uri(), "data:", "blob:"))]


def seconds_until_ready(engine, path: Path) -> tuple[float, int]:
    """Median of five openings, and the number of requests."""
    times, others = [], 0
    for _ in range(5):
        page, requests = opened(engine, path)
        times.append(page.evaluate("window.readyAt") / 1000)
        others += len(requests)
        page.close()
    return sorted(times)[2], others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=11_522)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--many", type=int, default=100_000, help="videos of the largest page; 0 for none")
    parser.add_argument("--frames", action="store_true", help="a page with a thousand videos of frames, too: minutes")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rows: list[tuple[str, str, str, bool | None]] = []

    def row(what: str, value: float, unit: str, most: float | None = None) -> None:
        rows.append(
            (
                what,
                f"{value:.2f} {unit}",
                "" if most is None else f"{most:g} {unit}",
                None if most is None else value <= most,
            )
        )
        print(*rows[-1], flush=True)

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        engine = started.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        root = Path(folder) / "some"
        write_workspace(root, options.videos, options.models)
        path, seconds, busy, memory = written(root)
        name = f"{options.videos:,} x {options.models}"
        row(f"{name}: file", path.stat().st_size / 1e6, "MB", 4)
        row(f"{name}: written in", seconds, "s", 10)
        row(f"{name}: time of processors", busy, "s")
        row(f"{name}: memory", memory, "GB", 1)
        ready, requests = seconds_until_ready(engine, path)
        row(f"{name}: ready at {SLOWER} x throttling", ready, "s", 1)
        row(f"{name}: requests", requests, "requests", 0)
        page, _ = opened(engine, path, at="#clips")
        row(f"{name}: a filter at {SLOWER} x throttling", page.evaluate(FILTER), "ms", 50)
        page.close()
        four, *_ = written(root, *(f"scores/something-v1/validation/m{number:02d}.h5" for number in range(4)))
        row("4 models with the playground: file", four.stat().st_size / 1e6, "MB", 19)
        page, _ = opened(engine, four, 1, "#playground")
        page.wait_for_selector(".moved:has-text('moves')", timeout=60_000)
        page.locator(".mix input[type=range]").first.focus()
        for key in ("ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
            page.wait_for_timeout(300)
        row(
            "4 models: a weight moves", float(page.get_attribute("[data-milliseconds]", "data-milliseconds")), "ms", 100
        )
        row(
            "4 models: rounding moves top-1 and top-5 by",
            float(page.inner_text(".moved").split("at most ")[1].split()[0]),
            "points",
        )
        page.close()
        page = engine.new_page()
        script = FUSE % files("gsm_bench.report").joinpath("page/core/fusion.js").read_text().replace("%", "%%")
        for members in (4, 20):
            times = page.evaluate(script, {"videos": options.videos, "classes": CLASSES, "members": members})
            for what, value in zip(
                ("all logits", "one logit weight", "all probabilities", "one probability weight"), times, strict=True
            ):
                row(f"fusing {members}: {what}", value, "ms", 100)
        page.close()
        if options.frames:
            write_frames(root, options.videos)
            path, seconds, busy, memory = written(root)
            row(f"{name} with frames: file", path.stat().st_size / 1e6, "MB", 12)
            row(f"{name} with frames: written in", seconds, "s")
            row(f"{name} with frames: time of processors", busy, "s")
            row(f"{name} with frames: memory", memory, "GB", 1)
            row(f"{name} with frames: ready at {SLOWER} x throttling", seconds_until_ready(engine, path)[0], "s", 1)
        if options.many:
            root = Path(folder) / "many"
            write_workspace(root, options.many, 4)
            path, seconds, busy, memory = written(root)
            row(f"{options.many:,} x 4: file", path.stat().st_size / 1e6, "MB")
            row(f"{options.many:,} x 4: written in", seconds, "s")
            row(f"{options.many:,} x 4: ready at {SLOWER} x throttling", seconds_until_ready(engine, path)[0], "s", 3)
        engine.close()
    width = max(len(what) for what, *_ in rows)
    print(f"\n{'':{width}}  {'measured':>14}  {'bar':>12}")
    for what, value, most, fine in rows:
        print(f"{what:{width}}  {value:>14}  {most:>12}  {'' if fine is None else 'ok' if fine else 'MISSED'}")
    print(f"peak of this script {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
