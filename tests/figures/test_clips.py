"""Figures of single videos: frames that models are shown, saliency over them, films, and odd inputs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import gsm_bench as gb  # noqa: E402
from gsm_bench.errors import GsmBenchError  # noqa: E402
from gsm_bench.figures.frames import spread_out  # noqa: E402
from gsm_bench.figures.pictures import enlarged, shrunk  # noqa: E402
from gsm_bench.figures.saliency import ExplainedFrames, draw_saliency, film, lit_frames  # noqa: E402
from gsm_bench.figures.style import FigureStyle  # noqa: E402
from gsm_bench.metrics.saliency import SaliencyTube  # noqa: E402
from gsm_bench.sampling import sample_indices  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402
from tests.figures.conftest import clipped, overlaps, texts_of  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402


@pytest.fixture
def toys(workspace):
    make_clips(workspace, 4, lengths=(9, 20))
    for model in ("toy_4f", "toy_bninc"):
        make_checkpoint(workspace, model)
    return workspace


def explained(frames=8, side=32, *, label="moving left", answer="moving left", tube_frames=None, exact=True):
    rng = np.random.default_rng(0)
    evidence = rng.standard_normal((tube_frames or frames, 2, 2))
    return ExplainedFrames(
        "a model", "v1", rng.integers(0, 255, (frames, side, side, 3), np.uint8), np.arange(1, frames + 1), label, answer,
        0.5, answer, SaliencyTube(evidence, 0.25, float(evidence.sum() + 0.25), exact),
    )  # fmt: skip


def test_the_frames_of_an_ensemble(toys):
    bench = gb.Bench()
    plot = bench.figure("frames", "toy_4f@2,toy_bninc", ids=("v2",))
    rows = plot.numbers.rows
    length = int((toys.data / "toy" / "val.txt").read_text().splitlines()[2].split()[1])
    expected = [*sample_indices(length, 4, 2).ravel(), *sample_indices(length, 4, 1).ravel()]
    assert [row["frame"] for row in rows] == expected
    assert [row["offset"] for row in rows] == [0.0] * 4 + [0.5] * 8
    written = [text.get_text() for text in texts_of(plot.figure)]
    assert "toy_4f\n4 frames, clip 2" in written
    assert "frame of video v2, cat" in written
    assert len(plot.figure.axes[0].images) == 12


@pytest.mark.parametrize("length", [1, 2, 7, 300])
def test_pictures_stand_apart_and_inside(length):
    for frames in (1, 4, 24):
        wide = length / 24 * 0.94
        times = [number - 0.5 for number in sample_indices(length, frames)[0]]
        places = spread_out(times, wide, length)
        assert places[0] >= wide / 2 - 1e-9
        assert places[-1] <= length - wide / 2 + 1e-9
        assert all(step >= wide for step in np.diff(places))
        if length == 300 and frames == 4:
            assert places == times


def test_saliency_of_own_and_built_in_networks(toys, gsmbench):
    assert gsmbench("score", "--models", "toy_4f,toy_bninc", "--clips", 1).status == 0
    ran = gsmbench(
        "figure", "saliency", "--models", "toy_bninc,toy_4f", "--clips", "v1, v3", "--out", "s.svg", "--video", "s.mp4",
        "--numbers", "s.json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert ran.out.split() == ["s.svg", "s.json", "s.mp4"]
    assert "approximate: the map of a network that is not of this package" in ran.err
    rows = gb.Bench().figure("saliency", "toy_bninc", "toy_4f", ids=("v1", "v3")).numbers.rows
    assert [row["exact"] for row in rows] == (["yes"] * 4 + ["no"] * 4) * 2
    scores = {name: read(toys.score_path("toy", "val", name)) for name in ("toy_4f", "toy_bninc")}
    for video in ("v1", "v3"):
        for model, content in scores.items():
            mine = [row for row in rows if (row["video"], row["model"]) == (video, model)]
            logits = content.scores["action"][int(video[1:]), 0]
            assert mine[0]["answer"] == ("ape", "bee", "cat", "dog", "elk")[int(logits.argmax())]
            assert mine[0]["label"] == {"v1": "bee", "v3": "dog"}[video]
            assert mine[0]["logit"] == pytest.approx(float(logits.max()), abs=1e-3 * float(np.ptp(logits)) + 1e-4)
            assert sum(row["evidence"] for row in mine) + mine[0]["bias"] == pytest.approx(mine[0]["logit"], abs=1e-4)
    given = gb.Bench().figure("saliency", "toy_bninc", ids=("v1",), block=("elk",)).numbers.rows
    assert {row["explained"] for row in given} == {"elk"}


def test_a_film_has_the_same_bytes_twice(toys, gsmbench):
    import av

    for name in ("one.mp4", "two.mp4"):
        ran = gsmbench(
            "figure", "saliency", "toy_bninc", "toy_4f", "--ids", "v1", "--out", "s.png", "--force", "--video", name
        )
        assert ran.status == 0, ran.err
    assert (toys.root / "one.mp4").read_bytes() == (toys.root / "two.mp4").read_bytes()
    with av.open(str(toys.root / "one.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(pictures) == 5
    assert pictures[0].shape[1] > 1.5 * pictures[0].shape[0]
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["saliency", "toy_bninc"], "1 to 8 videos; 0 given"),
        (["saliency", "toy_bninc", "--ids", "v9"], "no video 'v9' in toy/val"),
        (["saliency", "toy_bninc", "--ids", ",".join(["v1"] * 9)], "1 to 8 videos; 9 given"),
        (["saliency", "--ids", "v1"], "one to four models; 0 given"),
        (["saliency", "nosuch", "--ids", "v1"], "nosuch"),
        (
            ["saliency", "toy_bninc", "--ids", "v1", "--classes", "elf"],
            "no class 'elf' of toy_bninc; did you mean elk?",
        ),
        (["saliency", "toy_bninc", "--ids", "v1", "--task", "verb"], "no task 'verb'"),
        (["saliency", "toy_bninc", "--ids", "v2"], "video 'v2' cannot be shown"),
        (["saliency", "toy_bninc", "--ids", "v1", "--video", "v.gif"], "a video is a mp4, mkv, webm file"),
        (["saliency", "toy_bninc", "--ids", "v1", "--video", "toynet.py"], "a video is a mp4"),
        (["agreement", "toy_bninc", "--video", "v.mp4"], "--video goes with saliency"),
        (["frames", "toy_bninc", "--ids", "v0,v1"], "shows one video"),
        (["frames", "toy_bninc", "--ids", "w0"], "no video 'w0' in toy/val"),
        (["frames", "toy_bninc", "--ids", "v2"], "v2"),
        (["frames", "toy_bninc", "--ids", "v3"], "v3"),
        (["frames", "toy_bninc@30"], "30 clips are too many"),
        (["frames", "nosuch.h5"], "no such score file"),
        (["frames", "toy_bninc", "--frames", "nowhere"], "this path does not exist"),
        (["frames", "toy_bninc", "--data", "nowhere"], "no data directory"),
    ],
)
def test_odd_inputs_end_in_one_message(toys, gsmbench, arguments, message):
    frames = toys.data / "toy" / "frames"
    for file in (frames / "v2").glob("*.jpg"):
        file.write_bytes(b"no picture")
    for file in (frames / "v3").glob("*.jpg"):
        file.unlink()
    ran = gsmbench("figure", *arguments, "--out", "f.svg")
    assert ran.status in (1, 2), ran.out
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_video_of_one_frame(toys, gsmbench):
    (toys.data / "toy" / "val.txt").write_text("v0 1 0\n")
    for name in ("saliency", "frames"):
        ran = gsmbench("figure", name, "toy_bninc", "--ids", "v0", "--out", f"{name}.svg")
        assert ran.status == 0, ran.err


@pytest.mark.parametrize("width", [2.5, 3.25, 6.875])
@pytest.mark.parametrize("frames", [1, 8, 24])
def test_titles_with_long_names_are_whole(width, frames):
    long = "Pretending to put something next to something, but failing to " * 2
    clips = [explained(frames, label=long, answer=answer, exact=False) for answer in (long, "moving right")]
    plot = draw_saliency(FigureStyle(width, "light", "A title"), clips)
    assert overlaps(plot.figure) == []
    assert clipped(plot.figure) == []


def test_what_speaks_for_the_class_is_bright():
    one = explained(2, 32)
    evidence = np.zeros((2, 2, 2))
    evidence[1, 0, 1] = 5.0
    evidence[0] = -3.0
    bright = ExplainedFrames(
        **{**vars(one), "frames": np.full((2, 32, 32, 3), 200, np.uint8), "tube": SaliencyTube(evidence, 0, 0, True)}
    )
    dim, lit = lit_frames(bright, 32)
    assert set(dim.ravel()) == {60}, "what speaks against the class is as dim as what says nothing"
    assert lit[4, 28].mean() > 2 * lit[28, 4].mean()


def test_a_film_of_models_with_other_numbers_of_frames():
    pictures = list(film(FigureStyle(), [[explained(4), explained(8)], [explained(8)]]))
    assert len(pictures) == 2 * (8 + 2)
    assert len({picture.shape for picture in pictures}) == 1
    assert all(size % 2 == 0 for size in pictures[0].shape[:2])


def test_pictures_are_made_smaller_and_maps_larger():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert shrunk(picture, 4) is picture
    assert shrunk(picture, 2)[0, 0].tolist() == picture[:2, :2].reshape(4, 3).mean(axis=0).round().tolist()
    assert shrunk(picture, 3) is picture
    map_ = np.array([[0.0, 1.0], [2.0, 3.0]])
    large = enlarged(map_, 8, 8)
    assert large[0, 0] == 0.0
    assert large[-1, -1] == 3.0
    assert large.mean() == pytest.approx(1.5)
    assert enlarged(np.array([[2.0]]), 3, 5).tolist() == [[2.0] * 5] * 3


def test_frames_need_no_torch(toys):
    import subprocess
    import sys

    code = (
        "import sys\nfrom gsm_bench.cli import main\n"
        "try:\n    main(['figure', 'frames', 'toy_bninc', '--out', 'f.svg'])\nexcept SystemExit as stopped:\n"
        "    assert not stopped.code\nassert not {'torch', 'torchvision'} & {name.split('.')[0] for name in sys.modules}"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=toys.root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_bench_says_what_a_figure_takes(toys):
    with pytest.raises(GsmBenchError, match="ensembles or models; 0 given"):
        gb.Bench().figure("frames")
