import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gsm_bench.errors import GsmBenchError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.sampling_rules import Sampling  # noqa: E402
from gsm_bench.scoring.prepare import Request  # noqa: E402
from gsm_bench.trust import canary as canaries  # noqa: E402
from gsm_bench.trust.canary import check_canary, make_canary  # noqa: E402
from gsm_bench.trust.canary_file import canary_path, read_canary, write_canary  # noqa: E402
from gsm_bench.workspace import Workspace  # noqa: E402
from tests.trust.planted import pictures  # noqa: E402

MODEL, VIDEOS, T = "shapes_8f", 10, 11


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with frames of 94 x 72, and the canary of a shipped network on them.

    Resized to 95 x 73 they leave margins of 31 and 9 columns: half of 31 is 16 rounded to even, and 15 cut off.
    """
    root = tmp_path_factory.mktemp("canary")
    data = root / "data" / "shapes"
    rows = []
    for at in range(VIDEOS):
        folder = data / "frames" / f"v{at:02d}"
        folder.mkdir(parents=True)
        for number, picture in enumerate(pictures(at, T, (94, 72)), start=1):
            Image.fromarray(picture).save(folder / f"{number:05d}.jpg", quality=95)
        rows.append(f"v{at:02d} {T} {at % 14}\n")
    (data / "val_videofolder.txt").write_text("".join(rows))
    workspace = Workspace.locate(root)
    return workspace, make_canary(Request(MODEL, device="cpu"), load_manifest(workspace), workspace)


def checked(made, change=None, **request):
    workspace, canary = made
    manifest = load_manifest(workspace)
    if change:
        entry = manifest.model(MODEL)
        manifest = replace(manifest, models=dict(manifest.models) | {MODEL: change(entry)})
    return check_canary(canary, Request(MODEL, device="cpu", **request), manifest, workspace)


def with_input(**values):
    return lambda entry: replace(entry, input=replace(entry.input, **values))


def test_a_sound_set_up_passes(made):
    check = checked(made)
    assert check.passes and check.weights and not check.settings and not check.other_pixels
    assert max(check.largest.values()) < canaries.TOLERANCE / 3
    assert check.sentence.startswith(f"PASS: logits of {VIDEOS} videos are those of the card")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_input(channel_order="RGB"), "input.channel_order is RGB, the card's BGR"),
        (with_input(mean=(128, 117, 104)), "input.mean is"),
        (with_input(value_range=1), "input.value_range is 1"),
        (with_input(resize=80), "input.resize is 80, the card's 73"),
        (lambda entry: replace(entry, frames=10), "frames is 10, the card's 8"),
    ],
)
def test_other_settings_are_named(made, change, words):
    check = checked(made, change)
    assert not check.passes
    assert words in check.sentence


def with_protocol(rule, stride=0, clips=2, crops=1):
    return lambda entry: replace(entry, sampling=Sampling(rule, stride), clips=clips, crops=crops, published=())


def manifest_with(workspace, change):
    manifest = load_manifest(workspace)
    return replace(manifest, models=dict(manifest.models) | {MODEL: change(manifest.model(MODEL))})


@pytest.fixture(scope="module")
def dense(made):
    """The workspace, and a canary of an entry with 2 clips of another rule."""
    workspace, _ = made
    manifest = manifest_with(workspace, with_protocol("mmaction2", 1))
    return workspace, make_canary(Request(MODEL, device="cpu"), manifest, workspace)


def test_a_canary_holds_the_clips_and_crops_that_score_makes(dense):
    """Each video has one view of the entry, in turn."""
    from gsm_bench.scorefile import read
    from gsm_bench.scoring.prepare import prepare
    from gsm_bench.scoring.resume import open_run
    from gsm_bench.scoring.run import run

    workspace, canary = dense
    manifest = manifest_with(workspace, with_protocol("mmaction2", 1))
    job, loaded = prepare(Request(MODEL, device="cpu", out=workspace.root / "all.h5"), manifest, workspace)
    scores = read(run(open_run(job), loaded.network).path).scores["action"]
    assert canary.card.view == tuple(at % 2 for at in range(VIDEOS))
    expected = np.stack([scores[row, row % 2] for row in range(VIDEOS)])
    assert np.abs(canary.logits["action"] - expected).max() < 0.01
    assert canary.card.settings["sampling"] == "mmaction2:1"


def test_the_rule_of_the_entry_is_used_and_passes(dense):
    check = checked(dense, with_protocol("mmaction2", 1))
    assert check.passes and not check.other_pixels and not check.settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_protocol("ticks"), "sampling is ticks, the card's mmaction2:1"),
        (with_protocol("mmaction2", 2), "sampling is mmaction2:2, the card's mmaction2:1"),
        (with_protocol("mmaction2", 1, clips=3), "clips is 3, the card's 2"),
        (with_protocol("mmaction2", 1, crops=3), "crops is 3, the card's 1"),
    ],
)
def test_another_sampling_is_named(dense, change, words):
    check = checked(dense, change)
    assert not check.passes
    assert words in check.sentence


def test_a_rule_that_needs_several_clips(made):
    change = with_protocol("videomae", 2)
    workspace, _ = made
    canary = make_canary(Request(MODEL, device="cpu"), manifest_with(workspace, change), workspace)
    assert checked((workspace, canary), change).passes


def as_before(canary):
    """A canary of the time when all had one clip of ticks, and no word about it."""
    settings = {key: value for key, value in canary.card.settings.items() if key not in ("sampling", "clips", "crops")}
    return replace(canary, card=replace(canary.card, settings=settings, view=()))


def test_a_canary_without_a_rule_is_one_clip_of_ticks(made):
    workspace, _ = made
    one = with_protocol("ticks", clips=1)
    canary = as_before(make_canary(Request(MODEL, device="cpu"), manifest_with(workspace, one), workspace))
    check = checked((workspace, canary))  # the entry has two clips
    assert check.passes and not check.settings and not check.other_pixels
    with pytest.raises(GsmBenchError, match="does not say which sampling rule") as caught:
        checked((workspace, canary), with_protocol("tsm-dense", clips=1))
    assert "models canary" in caught.value.fix


def test_videos_with_another_number_of_frames(made, copied):
    """As frames that were extracted at another rate."""
    for video in copied.iterdir():
        for number in range(1, T // 2 + 1):
            (video / f"{2 * number:05d}.jpg").replace(video / f"{number:05d}.jpg")
        for number in range(T // 2 + 1, T + 1):
            (video / f"{number:05d}.jpg").unlink(missing_ok=True)
    data = copied.parent
    (data / "val_videofolder.txt").write_text("".join(f"v{at:02d} {T // 2} {at % 14}\n" for at in range(VIDEOS)))
    check = checked(made, data=data)
    assert not check.passes
    assert check.cause == f"other numbers of frames, such as {T // 2}, the card's {T}"


def test_a_crop_that_is_cut_off_instead_of_rounded(made, monkeypatch):
    """The fault is in the code: settings, weights and frames are those of the card."""
    from gsm_bench.frames import read_views

    monkeypatch.setattr(read_views, "crop_corner", lambda w, h, size, _: ((w - size) // 2, (h - size) // 2))
    check = checked(made)
    assert not check.passes
    assert "the code of network or preprocessing differs" in check.sentence


def test_swapped_channels_in_the_code(made, monkeypatch):
    from gsm_bench.scoring import network

    sound = network.normalise

    def swapped(pixels, *args, **kwargs):
        return sound(pixels.flip(-1), *args, **kwargs)

    monkeypatch.setattr(network, "normalise", swapped)
    check = checked(made)
    assert not check.passes
    assert "the code of network or preprocessing differs" in check.sentence


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the frames, to be damaged."""
    workspace, _ = made
    shutil.copytree(workspace.data / "shapes" / "frames", tmp_path / "frames")
    return tmp_path / "frames"


def each_frame(folder, change):
    for path in sorted(folder.rglob("*.jpg")):
        change(path)


def test_frames_that_lie_one_earlier(made, copied):
    for video in copied.iterdir():
        for number in range(1, T):
            (video / f"{number + 1:05d}.jpg").replace(video / f"{number:05d}.jpg")
        shutil.copy(video / f"{T - 1:05d}.jpg", video / f"{T:05d}.jpg")
    check = checked(made, frames=copied)
    assert not check.passes
    assert check.cause == "the frames are those one frame later"


def test_frames_that_lie_one_later(made, copied):
    for video in copied.iterdir():
        for number in range(T, 0, -1):
            (video / f"{number:05d}.jpg").replace(video / f"{number + 1:05d}.jpg")
        shutil.copy(video / "00002.jpg", video / "00001.jpg")
    check = checked(made, frames=copied)
    assert not check.passes
    assert check.cause == "the frames are those one frame earlier"


def test_pictures_that_were_written_with_swapped_channels(made, copied, tmp_path):
    """As cv2 does with RGB frames; lossless, so that pixels can be compared."""
    for path in sorted(copied.rglob("*.jpg")):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))[:, :, ::-1]
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG")
        path.write_bytes(out.getvalue())
    check = checked(made, frames=copied)
    assert not check.passes
    assert check.cause == "red and blue are swapped in the pictures"


def test_pictures_that_were_encoded_again(made, copied):
    def again(path):
        with Image.open(path) as picture:
            picture.save(path, "JPEG", quality=30)

    each_frame(copied, again)
    check = checked(made, frames=copied)
    assert (len(check.other_pixels), check.cause) == (VIDEOS, "")
    assert "have other pixels" in check.sentence or check.passes


def test_other_weights(made):
    entry = load_manifest(made[0]).model("shapes_16f").checkpoint
    check = checked(made, lambda mine: replace(mine, checkpoint=entry))
    assert (check.passes, check.weights) == (False, False)
    assert "the checkpoint is another file" in check.sentence


def test_videos_that_are_gone(made, copied):
    shutil.rmtree(copied / "v03")
    (copied / "v07" / "00001.jpg").write_bytes(b"")
    check = checked(made, frames=copied)
    assert check.passes
    assert check.missing == ("v03", "v07")


@pytest.fixture
def commands(made, gsmbench, monkeypatch, tmp_path):
    """The command line in a workspace of its own, with the frames of the other one."""
    (tmp_path / "ws").mkdir()
    monkeypatch.chdir(tmp_path / "ws")
    monkeypatch.delenv("GSMBENCH_HOME", raising=False)
    where = ("--data", made[0].data / "shapes", "--device", "cpu")
    return lambda *arguments: gsmbench("models", *arguments, *where)


def test_checked_in_python(commands, made, tmp_path):
    from gsm_bench import Bench

    assert commands("canary", MODEL).status == 0
    bench = Bench(tmp_path / "ws")
    check = bench.check_canary(MODEL, data=made[0].data / "shapes", device="cpu")
    assert (check.passes, check.compared) == (True, VIDEOS)
    assert {"program", "machine"} <= {row["part"].lower() for row in bench.doctor().rows}


def test_made_and_checked_by_command(commands, tmp_path):
    ran = commands("canary", MODEL)
    assert (ran.status, ran.out.strip()) == (0, f"manifests/canaries/{MODEL}.npz")
    content = (tmp_path / "ws" / "manifests" / "canaries" / f"{MODEL}.npz").read_bytes()
    assert len(content) < 20_000
    ran = commands("check", MODEL, "--canary")
    assert (ran.status, "PASS: logits of 10 videos" in ran.out) == (0, True)
    assert "the same pixels in 10 of 10 videos" in ran.out
    ran = commands("canary", MODEL)
    assert (ran.status, "replace it with --force" in ran.err) == (1, True)
    assert commands("canary", MODEL, "--force").status == 0
    (tmp_path / "ws" / "manifests" / "local.toml").write_text(
        "[models.shapes_8f]\n"
        'like = "shapes_8f"\ninput = { size = 64, resize = 73, channel_order = "RGB", value_range = 255, '
        "mean = [104, 117, 128], std = [1, 1, 1] }\n"
    )
    ran = commands("check", MODEL, "--canary")
    assert (ran.status, "FAIL" in ran.out, "channel_order is RGB" in ran.out) == (1, True, True), ran.err


def test_shipped_canaries_are_sound(made):
    workspace, _ = made
    manifest = load_manifest(workspace)
    names = [name for name, entry in manifest.models.items() if entry.checkpoint.file.startswith("shapes/")]
    assert len(names) == 13
    for name in names:
        card = read_canary(canary_path(name, workspace)).card
        entry = manifest.model(name)
        assert (card.model, len(card.ids), card.checkpoint_sha256) == (name, 64, entry.checkpoint.sha256)
        assert not canaries._setting_changes(card, entry)


def test_the_shipped_canary_holds_on_generated_videos(gsmbench, workspace):
    """Pixels may differ where the JPEG encoder is another one; the network's answers do not."""
    assert gsmbench("shapes", "make", "data/shapes").status == 0
    ran = gsmbench("models", "check", "shapes_8f", "--canary", "--device", "cpu")
    assert (ran.status, "PASS: logits of 64 videos" in ran.out) == (0, True), ran.out


def resaved(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays | changes)


def changed_logits(path):
    resaved(path, logits_action=np.zeros((10, 14), np.float16))


def changed_card(path):
    with np.load(path) as file:
        card = json.loads(str(file["card"]))
    resaved(path, card=np.array(json.dumps(card | {"checkpoint_sha256": "0" * 64})))


def objects(path):
    np.savez(path, card=np.array([{"a": 1}], dtype=object), sha256=np.array("x"))


ODD = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:500]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("canary"),
    "numpy": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n" + bytes(8)),
    "changed logits": changed_logits,
    "changed card": changed_card,
    "pickled objects": objects,
    "without a card": lambda path: np.savez(path, logits_action=np.zeros((2, 2), np.float16)),
    "card of another kind": lambda path: resaved(path, card=np.array("[1, 2]")),
    "flipped byte": lambda path: path.write_bytes(bytes(byte ^ (at == 700) for at, byte in enumerate(path.read_bytes()))),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_canaries_are_one_error(made, commands, tmp_path, case):
    path = tmp_path / "ws" / "manifests" / "canaries" / f"{MODEL}.npz"
    write_canary(made[1], path, force=False)
    ODD[case](path)
    ran = commands("check", MODEL, "--canary")
    assert ran.status == 1
    assert "this canary cannot be used" in ran.err and "Traceback" not in ran.err


def test_requests_that_cannot_be_answered(made, commands, gsmbench, tmp_path):
    assert "this model has no canary" in commands("check", "inv3_8f", "--canary").err
    assert commands("check", MODEL, "--canary", "--pin").status == 2
    assert commands("check", MODEL).status == 2  # --data without --canary
    path = tmp_path / "ws" / "manifests" / "canaries" / "shapes_vna_12f.npz"
    write_canary(made[1], path, force=False)
    ran = gsmbench("models", "check", "shapes_vna_12f", "--canary", "--data", made[0].data / "shapes")
    assert ran.status == 1 and "classes" in ran.err
    (tmp_path / "other").mkdir()
    shutil.copytree(made[0].data / "shapes" / "frames", tmp_path / "other" / "frames")
    for at in range(VIDEOS):
        (tmp_path / "other" / "frames" / f"v{at:02d}").rename(tmp_path / "other" / "frames" / f"w{at:02d}")
    (tmp_path / "other" / "val_videofolder.txt").write_text("".join(f"w{at:02d} {T} 0\n" for at in range(VIDEOS)))
    write_canary(made[1], tmp_path / "ws" / "manifests" / "canaries" / f"{MODEL}.npz", force=False)
    ran = gsmbench("models", "check", MODEL, "--canary", "--data", tmp_path / "other")
    assert (ran.status, "0 of the 10 videos of the canary are in this list" in ran.err) == (1, True)
