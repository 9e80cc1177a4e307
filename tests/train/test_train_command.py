"""``gsmbench train --like``: what it prints, and what it refuses."""

import json
import re
import shlex

import pytest
import torch
from PIL import Image

from gsm_bench.cli.train import _words
from gsm_bench.manifest import load_manifest


@pytest.fixture
def train(gsmbench, workspace, data):
    threads = torch.get_num_threads()

    def with_options(*options):
        return gsmbench(
            "train", "--like", "shapes_8f", "--data", data, "--frames", 2, "--epochs", 1, "--batch", 2, "--workers", 0,
            "--device", "cpu", "--threads", 1, "--out", "checkpoints/mine.safetensors", *options,
        )  # fmt: skip

    yield with_options
    torch.set_num_threads(threads)


def test_train_then_add_and_check(train, gsmbench, workspace):
    trained = train("--gate", "sigmoid")
    assert trained.status == 0, trained.err
    assert trained.out.startswith("checkpoints/mine.safetensors: top-1 ")
    assert "settings differ from the release" in trained.err
    assert re.search(r"epoch 1 of 1: rate 0.01, loss [\d.]+, training top-1 [\d.]+, top-1 [\d.]+, top-5", trained.err)
    command = trained.err.partition("to score with it: gsmbench ")[2].splitlines()[0]
    assert gsmbench(*shlex.split(command)).status == 0
    assert gsmbench("models", "check", "mine").status == 0
    entry = load_manifest(workspace).model("mine")
    assert (entry.frames, entry.options["gate"], entry.trained_on) == (2, "sigmoid", ("shapes/train",))
    again = train("--gate", "sigmoid")
    assert (again.status, again.out) == (0, trained.out)
    assert "this training is complete" in again.err


def test_the_plan_writes_nothing(train, workspace):
    planned = train(
        "--plan", "--recipe", "released", "--batch", 8, "--accumulate", 1, "--epochs", 6, "--format", "json"
    )
    assert planned.status == 0, planned.err
    rows = [(row["what"], row["value"]) for row in json.loads(planned.out)["rows"]]
    assert ("videos", "8 of shapes/train") in rows
    assert [value for what, value in rows if what == "differs from the release"] == [
        "epochs is 6 (released: 60)", "warmup is 1 (released: 10)", "batch is 8 (released: 16)",
        "accumulate is 1 (released: 2)",
    ]  # fmt: skip
    assert not (workspace.root / "checkpoints" / "mine.safetensors.state").exists()
    assert not list(workspace.root.glob("checkpoints/mine*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--width", 0.5), "--width is for training without --like"),
        (("--init", "missing.pth"), "no such checkpoint"),
        (("--split", "nothing"), "no split 'nothing'"),
        (("--warmup", 7), "leaves none of 1"),
        (("--like", "nothing"), "nothing"),
        (("--precision", "float16", "--recipe", "released"), "use --precision bfloat16"),
        (("--device", "tpu"), "'tpu' is not a device"),
        (("--device", "cuda:0,cuda:1"), "torchrun"),
        (("--learning-rate", "nan"), "nan is not a finite number"),
        (("--dropout", "nan"), "nan is not a finite number"),
        (("--save-every", "inf"), "inf is not a finite number"),
        (("--seed", 2**70), "seed"),
        (("--like", "timm:resnet18"), "this command cannot train"),
        (("--dataset", "something-v1"), "something-v1"),
    ],
)
def test_refused(train, options, message):
    refused = train(*options)
    assert refused.status in (1, 2)
    assert message in refused.err
    assert "Traceback" not in refused.err


def test_progress_in_words():
    line = {
        "epoch": 2,
        "learning_rate": 0.005,
        "loss": 2.5,
        "train_top1": 0.125,
        "top1": 0.5,
        "verb_top5": 1,
        "unread": 1.0,
    }
    assert _words(line, 9) == (
        "epoch 2 of 9: rate 0.005, loss 2.5, training top-1 12.50, top-1 50.00, verb top-5 100.00, "
        "1 videos unreadable, in no accuracy"
    )
    line = {"in_epoch": 3, "batch": 7, "clips_per_s": 0.211, "left_s": float("inf")}
    assert _words(line, 9) == "epoch 3 of 9, micro-batch 7: 0.211 clips/s, - left"
    assert _words({"resumed_in_epoch": 1, "batch": 2000}, 9) == "goes on in epoch 1 of 9, after 2,000 micro-batches"


def test_one_process_of_several_prints(train, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    trained = train("--init", "missing.pth")
    assert "no such checkpoint" in trained.err
    monkeypatch.setattr("gsm_bench.train.fit.fit", lambda *_, **__: None)
    trained = train("--tensorboard", "events")
    assert (trained.status, trained.out, trained.err) == (0, "", "")


def test_options_that_need_a_model(gsmbench, workspace, data):
    for option in (("--init", "x.pth"), ("--plan",), ("--accumulate", 2), ("--recipe", "released")):
        refused = gsmbench("train", "--data", data, "--out", "x.safetensors", *option)
        assert refused.status == 2
        assert "--like MODEL" in refused.err
    assert "give --data DIR" in gsmbench("train", "--out", "x.safetensors").err


def test_a_network_for_another_data_set_is_registered_with_its_classes(gsmbench, workspace):
    folder = workspace.root / "data" / "toy"
    (folder / "frames").mkdir(parents=True)
    for video in range(6):
        (folder / "frames" / f"v{video}").mkdir()
        for frame in range(1, 4):
            Image.new("RGB", (64, 48), (40 * video, 9, frame)).save(
                folder / "frames" / f"v{video}" / f"{frame:05d}.jpg"
            )
    (folder / "val.txt").write_text("".join(f"v{video} 3 {video % 5}\n" for video in range(6)))
    trained = gsmbench(
        "train", "--like", "shapes_vna_12f", "--dataset", "toy", "--split", "val", "--frames", 2, "--epochs", 1, "--batch", 3,
        "--workers", 0, "--device", "cpu", "--out", "checkpoints/mine.safetensors",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    assert "no other split to validate on" in trained.err
    assert "not validated" in trained.out
    command = trained.err.partition("to score with it: gsmbench ")[2].splitlines()[0]
    assert gsmbench(*shlex.split(command)).status == 0, command
    assert gsmbench("models", "check", "mine").status == 0
    entry = load_manifest(workspace).model("mine")
    assert (entry.dataset, entry.classes, entry.head, entry.class_order) == ("toy", 5, "action", "file")
