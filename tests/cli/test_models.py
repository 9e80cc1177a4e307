import json
import re

import pytest

torch = pytest.importorskip("torch")

from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402


@pytest.fixture
def toys(workspace):
    make_clips(workspace, 6)
    for name in ("toy_4f", "toy_bninc"):
        make_checkpoint(workspace, name)
    return workspace


def test_list_sorts_and_filters(gsmbench, workspace):
    names = [
        row["name"] for row in json.loads(gsmbench("models", "list", "inv3*", "bninc*", "--format", "json").out)["rows"]
    ]
    assert names == ["bninc_8f", "bninc_16f", "inv3_8f", "inv3_12f", "inv3_16f", "inv3_24f"]


def test_show_is_the_whole_card(gsmbench, workspace):
    said = gsmbench("models", "show", "inv3_12f").out
    for part in (
        "229 x 229", "BGR", "(104, 117, 128)", "22,207,586", "40.27 GFLOPs", "top-1 51.98, top-5 79.99 (table 4)",
        "something-v1_RGB_InceptionV3_avg_segment12_checkpoint.pth.tar", "1t_NAC4WNEqA2XMm7bK3TUVByNLgnM5wJ",
        str(workspace.checkpoints), "something-v1/train", "not here yet",
    ):  # fmt: skip
        assert part in said.replace("\n", ""), part


def test_cost_in_both_conventions(gsmbench, workspace):
    row, ensemble = json.loads(gsmbench("models", "cost", "inv3_8f", "En3x2", "--format", "json").out)["rows"]
    assert (row["macs_paper_per_view"], row["macs_bare"], row["params"]) == (26_847_524_224, 26_692_627_456, 22_207_586)
    assert ensemble["macs_paper"] == 10 * 26_847_524_224  # 80 frames
    assert ensemble["params"] == 4 * 22_207_586
    assert gsmbench("models", "cost", "nothing").status == 1


def test_check_in_plain_words(gsmbench, toys):
    ran = gsmbench("models", "check", "toy_bninc")
    assert ran.status == 0
    assert "matched  555 keys" in ran.out
    assert "fits toy_bninc" in ran.out
    assert "holds    GSM BN-Inception with 10 gate-shift modules, 5 classes" in ran.out
    wrong = gsmbench("models", "check", "bninc_8f", "--file", "checkpoints/toy_bninc.safetensors")
    assert wrong.status == 1
    assert "does NOT fit bninc_8f" in wrong.out
    assert re.search(r"shape +\d+ keys", wrong.out)


def test_check_compares_the_frames_that_a_file_states(gsmbench, toys):
    """Weights have the same shape for any number of frames: a file of 8 frames does not fit an entry of 4."""
    path = toys.checkpoints / "toy_bninc.safetensors"
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), path, metadata={"frames": "8"})
    ran = gsmbench("models", "check", "toy_bninc")
    assert ran.status == 1
    assert "frames   8, the entry says 4" in ran.out
    assert "does NOT fit toy_bninc" in ran.out
    save_file(load_file(path), path, metadata={"frames": "4"})
    ran = gsmbench("models", "check", "toy_bninc")
    assert ran.status == 0
    assert "fits toy_bninc" in ran.out


def test_check_pins(gsmbench, toys):
    assert gsmbench("models", "check", "toy_bninc", "--pin").status == 0
    assert "as pinned" in gsmbench("models", "check", "toy_bninc").out
    make_checkpoint(toys, "toy_bninc", seed=5)
    ran = gsmbench("models", "check", "toy_bninc")
    assert ran.status == 1
    assert "NOT the pinned one" in ran.out
    assert "not the pinned checkpoint" in gsmbench("score", "--model", "toy_bninc").err


def test_add_then_score(gsmbench, toys):
    ran = gsmbench(
        "models",
        "add",
        "mine_4f",
        "--like",
        "toy_bninc",
        "--checkpoint",
        "checkpoints/toy_bninc.safetensors",
        "--set",
        'options.gate="tanh"',
    )
    assert ran.status == 0, ran.err
    assert (toys.manifests / "local.toml").exists()
    assert gsmbench("score", "--model", "mine_4f", "--limit", 2).status == 0
    assert gsmbench("models", "add", "mine_4f", "--like", "toy_bninc", "--checkpoint", "x.pt").status == 1
    assert (
        gsmbench("models", "add", "more", "--like", "toy_bninc", "--checkpoint", "x.pt", "--set", "clips=no").status
        == 2
    )
    bad = gsmbench("models", "add", "more", "--like", "toy_bninc", "--checkpoint", "x.pt", "--set", "clip=1")
    assert bad.status == 1
    assert "did you mean clips" in bad.err


def test_override_is_said(gsmbench, workspace):
    (workspace.root / "checkpoints").mkdir()
    (workspace.root / "checkpoints" / "mine.pt").touch()
    gsmbench("models", "add", "inv3_8f", "--like", "inv3_8f", "--checkpoint", "mine.pt")
    assert "replaces the shipped entry" in gsmbench("models", "show", "inv3_8f").out.replace("\n", " ")


def test_score_messages(gsmbench, toys):
    plan = gsmbench("score", "--model", "toy_4f", "--plan", "--format", "json")
    assert plan.status == 0
    assert {row["what"]: row["value"] for row in json.loads(plan.out)["rows"]}["videos to score"] == 6
    (toys.data / "toy/frames/v2/00001.jpg").write_bytes(b"")
    ran = gsmbench("score", "--model", "toy_4f")
    assert ran.status == 3
    assert "1 video is not scored:\n  v2: frame 1 of video 'v2' cannot be decoded" in ran.err
    assert gsmbench("evaluate", "scores/toy/val/toy_4f.h5").status == 3
    assert gsmbench("score", "--model", "toy_4f", "--on-bad-frame", "nearest").status == 0
    conflict = gsmbench("score", "--model", "toy_4f", "--clips", 1)
    assert conflict.status == 1
    assert "views: there" in conflict.err
    for wrong in (["--shard", "x"], ["--batch", "0"], ["--crops", "4"], ["--precision", "int8"]):
        assert gsmbench("score", "--model", "toy_4f", *wrong).status == 2


def test_another_network_inherits_nothing_that_says_how_the_first_was_trained(gsmbench, toys):
    import tomllib

    (toys.root / "other.py").write_text((toys.root / "toynet.py").read_text())
    arguments = ("--like", "toy_bninc", "--checkpoint", "toy.safetensors", "--network", "other:build")
    ran = gsmbench("models", "add", "mine", *arguments, "--set", 'score_kind="logits"')
    assert ran.status == 0, ran.err
    assert "input settings are those of toy_bninc (32 x 32, BGR, values 0..255" in ran.err
    entry = tomllib.loads((toys.manifests / "local.toml").read_text())["models"]["mine"]
    assert not {"pretraining", "options", "ignore_keys"} & entry.keys()
    assert entry.get("temporal", "none") == "none"
