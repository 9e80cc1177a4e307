"""``gsmbench train --like``: what it prints, and what it refuses."""

import json
import shlex

import pytest
import torch
from PIL import Image

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
