"""`gsmbench bench`: its structure, its sums and its advice; never how fast."""

import json

import pytest

torch = pytest.importorskip("torch")

from gsm_bench.bench import measure as measuring  # noqa: E402
from gsm_bench.bench.interleaved_timing import StageRate, rates_in_turns  # noqa: E402
from gsm_bench.bench.scoring import videos_read_per_second, waits  # noqa: E402
from gsm_bench.errors import FrameError  # noqa: E402

STAGES = ["decode", "preprocess", "network", "pipeline", "fusion"]


def stage(name="network", rate=10.0):
    return StageRate(name, "videos", rate, 40.0, "a ceiling", 2.0, "a loop")


def test_rates_count_units_over_time(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("gsm_bench.bench.interleaved_timing.time.perf_counter", lambda: float(next(ticks)))
    found = rates_in_turns({"one": lambda: 1.0, "six": lambda: 6.0}, seconds=6.0)
    assert found == {"one": 1.0, "six": 6.0}


def test_shares_of_a_stage():
    assert stage().of_ceiling == 0.25
    assert stage().times_plain == 5
    assert waits(stage(rate=2.9), stage(rate=10.0)) == pytest.approx(0.71)
    assert waits(stage(rate=11.0), stage(rate=10.0)) == 0


class _Job:
    """What the sentence looks at."""

    def __init__(self, workers, device="cuda", packed=False):
        self.settings = type("Settings", (), {"workers": workers, "device": device, "batch": 16})()
        reader = type("Hdf5Reader" if packed else "FolderReader", (), {})()
        self.source = type("Source", (), {"reader": lambda _, clip: reader})()
        self.split = type("Split", (), {"video": lambda _, row: row})()


@pytest.mark.parametrize(
    ("job", "reading", "idle", "said"),
    [
        (_Job(2), 29, 0.71, "the network waits 71% of the time for frames: --workers 8 or gsmbench pack"),
        (_Job(8), 29, 0.71, "the network waits 71% of the time for frames: gsmbench pack"),
        (_Job(2, packed=True), 29, 0.71, "the network waits 71% of the time for frames: --workers 8"),
        (_Job(8, packed=True), 29, 0.71, "the network waits 71% of the time for frames: more cores for its frames"),
        (_Job(8), 300, 0.4, "the network waits 40% of the time, though frames come fast enough: larger batches, --batch 32"),
        (
            _Job(8, "cpu"), 300, 0.4,
            "the network waits 40% of the time: frames take 25% of its cores: gsmbench pack or a GPU",
        ),
        (
            _Job(8), 300, 0.02,
            "the network is busy: a faster device, a smaller network or --precision bfloat16 is what would help",
        ),
    ],
)  # fmt: skip
def test_the_sentence_names_what_starves_and_what_mends_it(monkeypatch, job, reading, idle, said):
    monkeypatch.setattr(measuring, "usable_cpus", lambda: 8)
    assert measuring._verdict(job, reading, 100, idle) == said


def test_a_first_clip_without_frames_is_no_obstacle_to_the_sentence():
    job = _Job(8)

    def nothing(_, clip):
        raise FrameError(f"clip {clip} has no frames")

    job.source = type("Source", (), {"reader": nothing})()
    assert "gsmbench pack" in measuring._verdict(job, 29, 100, 0.71)


def test_all_stages_beside_their_ceilings(gsmbench, workspace):
    ran = gsmbench("bench", "--seconds", "0.5", "--device", "cpu", "--format", "json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert [row["stage"] for row in found["rows"]] == STAGES
    for row in found["rows"]:
        assert row["rate"] > 0
        assert row["of_ceiling"] == pytest.approx(row["rate"] / row["ceiling"])
        assert row["times_plain"] == pytest.approx(row["rate"] / row["plain"])
    rates = {row["stage"]: row for row in found["rows"]}
    assert rates["pipeline"]["ceiling"] < rates["network"]["rate"]  # frames need some of the cores
    assert found["notes"][-1].startswith("The network ")
    assert max(map(len, found["notes"])) <= 100
    assert "measuring fusion" in ran.err
    assert list(workspace.root.glob("scores")) == []  # nothing is left behind


def test_frames_resized_on_the_device_have_figures_of_their_own(gsmbench, workspace):
    choices = ("--device", "cpu", "--resize", "device", "--batch", 4, "--precision", "bfloat16")
    ran = gsmbench("bench", "--seconds", "0.5", *choices, "--format", "json", "--quiet")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    rows = {row["stage"]: row for row in found["rows"]}
    assert "resized on the device" in found["title"]
    assert rows["preprocess"]["ceiling_is"] == "sending the frames to cpu alone"
    assert 0 < rows["preprocess"]["of_ceiling"] < 1
    assert max(map(len, found["notes"])) <= 100


def test_a_gpu_resizes_beside_the_threads_that_decode():
    decode, preprocess = (StageRate(name, "frames", 100.0, 100, "", 1, "") for name in ("decode", "preprocess"))
    found = {}
    for resize, device in (("device", "cuda"), ("reader", "cuda"), ("device", "cpu")):
        settings = type("Settings", (), {"resize": resize, "device_type": device})()
        job = type("Job", (), {"settings": settings})()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gsm_bench.bench.scoring.needed_frames", lambda job, clip: [1] * 10)
            found[resize, device] = videos_read_per_second(job, [0], decode, preprocess)
    assert found == {("device", "cuda"): 10.0, ("reader", "cuda"): 5.0, ("device", "cpu"): 5.0}


def test_video_files(gsmbench, workspace, real):
    from gsm_bench.shapes.make import make

    data, videos = workspace.root / "data" / "shapes", workspace.root / "videos"
    make(data, "val", videos=28)
    videos.mkdir()
    rows = []
    for line in (data / "val_videofolder.txt").read_text().splitlines()[:4]:
        name, _, label = line.split()
        (videos / f"{name}.mp4").write_bytes((real / "mmaction2" / "part_0.mp4").read_bytes())
        rows.append(f"{name} 32 {label}")
    (data / "val_videofolder.txt").write_text("\n".join(rows) + "\n")
    ran = gsmbench("bench", "--seconds", "0.5", "--frames", videos, "--quiet", "--device", "cpu")
    assert ran.status == 0, ran.err
    assert "The network " in ran.out
    packed = workspace.root / "packed.h5"
    assert gsmbench("pack", videos, packed, "--quiet").status == 0
    ran = gsmbench("bench", "--seconds", "0.5", "--frames", packed, "--quiet", "--device", "cpu", "--format", "md")
    assert ran.status == 0, ran.err
    assert "gsmbench pack" not in ran.out.splitlines()[-1], "they are packed"


def test_a_model_without_frames_says_where_they_belong(gsmbench, workspace):
    ran = gsmbench("bench", "--model", "toy_4f")
    assert ran.status == 1
    assert "Traceback" not in ran.err
    assert "--data DIR" in ran.err


def test_frames_that_cannot_be_read_are_named(gsmbench, workspace, tmp_path):
    from gsm_bench.shapes.make import FRAMES_FOLDER, make

    make(tmp_path / "data", "val", videos=28)
    for frame in (tmp_path / "data" / FRAMES_FOLDER).rglob("*.jpg"):
        frame.write_bytes(b"no picture")
    ran = gsmbench("bench", "--seconds", "0.5", "--data", tmp_path / "data", "--quiet")
    assert ran.status == 1
    assert "cannot be decoded" in ran.err
