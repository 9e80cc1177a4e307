"""Trainings like a model of the registry: stopped anywhere, they go on to the same bytes."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from gsm_bench.errors import (
    CheckpointError,
    DiskError,
    FrameError,
    GsmBenchError,
    NetworkError,
    RunConflictError,
    SplitError,
    WorkerError,
)
from gsm_bench.manifest import load_manifest
from gsm_bench.nets.checkpoint import read_checkpoint
from gsm_bench.train.fit import Trainer, fit
from gsm_bench.train.parallel import Group
from gsm_bench.train.resolve import TrainRequest, resolve
from gsm_bench.train.rules import recipe_of
from gsm_bench.train.saved import save_checkpoint, save_state
from gsm_bench.train.steps import StepMaker
from gsm_bench.train.validation import validate
from gsm_bench.workspace import Workspace
from tests.waiting import PATIENCE_S

SMALL = {"epochs": 2, "warmup": 1, "batch": 3, "accumulate": 2, "validate_every": 1}


class Unreadable:
    """A source without a frame."""

    def count(self, video):
        raise FrameError(f"video {video.id!r} has no frames")


class StoppedError(Exception):
    """Thrown in the middle of a training."""


@pytest.fixture
def training(data, tmp_path):
    def resolved(name="net", *, like="shapes_8f", recipe="default", **choices):
        settings = {
            key: choices.pop(key) for key in list(choices) if key in recipe_of("default", {}).__dataclass_fields__
        }
        request = TrainRequest(
            like, tmp_path / f"{name}.safetensors", recipe_of(recipe, {**SMALL, **settings}), frames=2, workers=0, device="cpu",
            **{"data": data, **choices},
        )  # fmt: skip
        workspace = Workspace(tmp_path)
        return resolve(request, load_manifest(workspace), workspace)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield resolved
    torch.set_num_threads(before)


def stopped_after(monkeypatch, batches):
    """Throw before the (n+1)-th micro-batch of a process."""
    done, whole = iter(range(batches)), Trainer.micro_batch

    def micro_batch(self, batch):
        if next(done, None) is None:
            raise StoppedError
        return whole(self, batch)

    monkeypatch.setattr(Trainer, "micro_batch", micro_batch)


def log_of(training):
    lines = [json.loads(line) for line in training.log_path.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("recipe", ["default", "released"])
def test_stopped_after_any_micro_batch_it_ends_in_the_same_bytes(training, recipe, monkeypatch):
    whole = training("whole", recipe=recipe)
    outcome = fit(whole)
    parts, runs = training("parts", recipe=recipe), 0
    while not parts.out.exists():  # each run does two micro-batches, and saves its state after every step
        with monkeypatch.context() as patch:
            stopped_after(patch, 2)
            try:
                resumed = fit(training("parts", recipe=recipe), save_every_s=0)
            except StoppedError:
                runs += 1
    assert runs >= 2
    assert resumed.resumed
    assert parts.out.read_bytes() == whole.out.read_bytes()
    assert parts.best_path.read_bytes() == whole.best_path.read_bytes()
    assert log_of(parts) == log_of(whole)
    assert (resumed.top1, resumed.best_top1, resumed.best_epoch) == (
        outcome.top1,
        outcome.best_top1,
        outcome.best_epoch,
    )
    assert not parts.state_path.exists()


def test_the_card_says_what_made_the_weights(training):
    made = training(init=None, options={"gate": "sigmoid"})
    outcome = fit(made)
    with safe_open(str(made.out), framework="pt") as file:
        card = file.metadata()
    assert card["list"] == f"shapes/train/{made.split.sha256}"
    assert json.loads(card["options"]) == {"dropout": 0.5, "gate": "sigmoid", "width": 0.25}
    assert "epochs is 2 (released: 60)" in json.loads(card["deviations"])
    assert float(card["top1"]) == outcome.top1
    assert (card["gate"], card["gsm_blocks"], card["gsm_branch"]) == ("sigmoid", "10", "1x1")
    assert (card["epoch"], card["frames"], card["temporal"], card["init"]) == ("2", "2", "gsm", "none")


def test_number_of_reading_processes_changes_no_byte(training):
    alone, three = training("alone"), replace(training("three"), workers=2)
    fit(alone)
    fit(three)
    assert alone.out.read_bytes() == three.out.read_bytes()


def test_the_validation_is_what_score_and_evaluate_say(training, tmp_path):
    from gsm_bench.api.bench import Bench
    from gsm_bench.scoring.pipeline import run_locally
    from gsm_bench.scoring.prepare import Request, prepare
    from gsm_bench.scoring.run import run_together

    made = training(validate_every=2)
    outcome = fit(made)
    made.network.eval()
    manifest, workspace = load_manifest(Workspace(tmp_path)), Workspace(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    made.out.rename(tmp_path / "checkpoints" / "net.safetensors")
    entry = replace(made.entry, checkpoint=replace(made.entry.checkpoint, file="net.safetensors", sha256=""))
    manifest = replace(manifest, models={**manifest.models, entry.name: entry})
    request = Request(
        entry.name, data=made.validation.split.list_path.parent, clips=1, device="cpu", out=tmp_path / "net.h5"
    )
    job, loaded = prepare(request, manifest, workspace)
    run_together([(job, loaded.network)], lambda progress: None, run_locally)
    evaluation = Bench(tmp_path).evaluate(str(tmp_path / "net.h5"), data=made.validation.split.list_path.parent)
    accuracy = evaluation.evaluations[0].accuracy["action"]
    assert accuracy.correct_at(1).mean() == pytest.approx(outcome.top1, abs=1e-12)


def test_a_finished_training_is_not_repeated(training, monkeypatch):
    made = training()
    outcome = fit(made)
    content = made.out.read_bytes()
    stopped_after(monkeypatch, 0)
    again = fit(training())
    assert again.already_done
    assert (again.top1, again.best_epoch) == (outcome.top1, outcome.best_epoch)
    for other, message in (
        ({"seed": 2}, "recipe.seed is 1, now 2"),
        ({"validation": "train"}, "validation is shapes/val"),
    ):
        with pytest.raises(RunConflictError, match=message):
            fit(training(**other))
    with pytest.raises(StoppedError):
        fit(training(force=True))
    assert made.out.read_bytes() == content


def test_labels_and_frame_counts_are_part_of_what_was_trained(training):
    made = training()
    split, swaps = made.split, {"action": {0: 1, 1: 0}}
    changes = {
        "labels": replace(split, labels={"action": np.roll(split.labels["action"], 1)}),
        "frame counts": replace(split, num_frames=split.num_frames + 1),
    }
    others = {name: replace(made, split=other).signature for name, other in changes.items()}
    others["classes of mirrored clips"] = replace(made, swaps=swaps).signature
    for name, signature in others.items():
        assert signature != made.signature, name
        assert signature["list"] == made.signature["list"]


def test_files_of_other_trainings_are_kept(training, monkeypatch):
    made = training()
    for path, content in ((made.log_path, b"mine"), (made.log_path, b'{"training": {}}'), (made.best_path, b"mine")):
        path.write_bytes(content)
        with pytest.raises(GsmBenchError):
            fit(training())
        assert path.read_bytes() == content
        path.unlink()
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stopped_after(patch, 1)
        fit(training())
    assert made.log_path.exists()  # begun, and no state yet
    assert not made.state_path.exists()
    fit(training())
    assert len(log_of(made)) == 3


def test_an_unfinished_training_with_other_settings_is_refused(training, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stopped_after(patch, 3)
        fit(training(), save_every_s=0)
    with pytest.raises(RunConflictError, match=r"options: .*tanh.*|recipe\.dropout: 0\.5, now 0\.4"):
        fit(training(dropout=0.4))
    path = training().state_path
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)
    state["network"].popitem()
    torch.save(state, path)
    short, flipped = path.read_bytes(), bytearray(whole)
    flipped[len(whole) // 2] ^= 1  # in a weight, or in a momentum
    for damaged in (whole[:1000], bytes(flipped), short, b"text", b""):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="the state of this training is damaged"):
            fit(training())


def test_a_state_that_does_not_fit_on_the_disk_is_one_error(tmp_path):
    path = tmp_path / "net.safetensors.state"
    save_state(path, {"weights": torch.zeros(10)})
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DiskError, match="larger than the limit"):
            save_state(path, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_that_is_gone_begins_again(training, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stopped_after(patch, 4)
        fit(training(), save_every_s=0)
    made = training()
    made.log_path.unlink()
    fit(made)
    assert b"\0" not in made.log_path.read_bytes()
    assert "training" in log_of(made)[0]
    assert fit(training()).already_done


def test_a_validation_without_a_readable_video_gives_no_accuracy(training, monkeypatch):
    made = training(epochs=1, warmup=0)
    none = replace(made, validation=replace(made.validation, source=Unreadable()))
    outcome = fit(none)
    assert (outcome.top1, outcome.best_top1) == (None, None)
    assert log_of(made)[-1]["unread"] == 14
    assert not made.best_path.exists()


def test_more_processes_than_clips_are_refused(training):
    with pytest.raises(GsmBenchError, match="4 processes cannot share micro-batches of 3 clips"):
        Trainer(training(), Group(0, 4, torch.device("cpu")), None)


def test_a_loss_that_grows_without_bound_is_an_error(training):
    with pytest.raises(NetworkError, match="loss became infinite in epoch"):
        fit(training(learning_rate=1e30, warmup=0))


def test_networks_whose_weights_or_scores_are_not_finite_are_not_kept(training, monkeypatch):
    def poison(self):
        next(self.network.parameters()).data.fill_(np.nan)

    one_step = {"warmup": 0, "batch": 8, "accumulate": 1, "epochs": 1}
    for settings, patched, message in (
        ({"learning_rate": 1e38}, StepMaker.end_epoch, "scores of shapes/val became infinite"),
        ({}, poison, "weights became infinite in epoch 1"),
    ):
        monkeypatch.setattr(StepMaker, "end_epoch", patched)
        made = training(**one_step, **settings, force=True)
        with pytest.raises(NetworkError, match=message):
            fit(made)
        assert not [path for path in (made.out, made.best_path, made.state_path) if path.exists()]


def test_a_reading_process_that_dies_while_the_network_computes_is_one_error(training, monkeypatch):
    def killed(self, batch):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(Trainer, "micro_batch", killed)
    with pytest.raises(WorkerError, match=r"a reading process died: DataLoader worker \(pid 7\)"):
        fit(training())


def test_a_training_without_a_step_is_refused(training):
    alone = Group(0, 1, torch.device("cpu"))
    with pytest.raises(GsmBenchError, match="3 micro-batches, and a step takes 1000"):
        Trainer(training(recipe="released", accumulate=1000), alone, None)
    Trainer(training(accumulate=1000), alone, None)  # makes a step of what there is


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains(training, precision):
    made = training(precision=precision, epochs=1, warmup=0)
    before = {key: value.clone() for key, value in made.network.state_dict().items()}
    outcome = fit(made)
    weights = read_checkpoint(made.out).weights
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert not torch.equal(weights["new_fc.weight"], before["new_fc.weight"])
    assert outcome.top1 is not None


def test_three_heads_are_trained_by_the_sum_of_their_losses(training):
    made = training(like="shapes_vna_12f", epochs=1, warmup=0)
    fit(made)
    line = log_of(made)[-1]
    assert line["loss"] == pytest.approx(np.log(14) + np.log(6) + np.log(84), rel=0.1)
    assert {"top1", "verb_top1", "noun_top1"} <= line.keys()


def test_a_missing_frame_stops_with_its_video(training, data):
    made = training()
    video = made.split.ids[3]
    folder = next(path for path in data.rglob(video) if path.is_dir())
    frames = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    try:
        for path in frames:
            path.write_bytes(b"no picture")
        with pytest.raises(FrameError, match=f"video '{video}'"):
            fit(made)
        assert validate(made.network, made.training, Group(0, 1, torch.device("cpu")), 0)["unread"] == 1
    finally:
        for path, content in frames.items():
            path.write_bytes(content)


def test_what_cannot_be_trained_is_refused(training, tmp_path):
    with pytest.raises(GsmBenchError, match="no split"):
        training(split="nothing")
    with pytest.raises(SplitError):
        training(dataset="ucf101")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        training(init=tmp_path / "missing.pth")
    with pytest.raises(NetworkError, match="gate"):
        training(options={"gate": "relu"})
    with pytest.raises(NetworkError, match=r"torchvision:r3d_18.*cannot train"):
        training(like="torchvision:r3d_18")
    with pytest.raises(FrameError, match="--frames-at"):
        training(frames_at=tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["x", "x.pth", "x.jsonl", ".safetensors", "folder.safetensors"])
def test_only_safetensors_can_be_written(training, tmp_path, place):
    (tmp_path / "folder.safetensors").mkdir()
    request = TrainRequest("shapes_8f", tmp_path / place, recipe_of("default", SMALL))
    workspace = Workspace(tmp_path)
    with pytest.raises(GsmBenchError, match=r"NAME\.safetensors"):
        resolve(request, load_manifest(workspace), workspace)


def test_first_weights_are_kept_and_have_the_gates_of_the_network(training):
    made = training(options={"gate": "sigmoid"})
    for path in (made.out, made.best_path):
        save_checkpoint(path, made.network, made.card)
        with pytest.raises(GsmBenchError, match="--out would replace the file of --init"):
            training(init=path, force=True)
    with pytest.raises(CheckpointError, match="use --gate sigmoid"):
        training("other", init=made.out)
    assert training("other", init=made.out, options={"gate": "sigmoid"}).init_sha256


def test_folders_of_classes_are_a_data_set_of_one_task(training, tmp_path):
    for number, place in enumerate(("train/wave/a", "train/clap/b", "val/clap/c")):
        (tmp_path / "mine" / place).mkdir(parents=True)
        Image.new("RGB", (64, 64), (80 * number, 9, 9)).save(tmp_path / "mine" / place / "img_00001.jpg")
    made = training(like="shapes_vna_12f", dataset="folder", data=tmp_path / "mine")
    assert (made.entry.classes, made.entry.head, made.validation.entry.classes) == (2, "action", 2)
    assert made.split.labels["action"].tolist() == [0, 1]


def test_validation_on_videos_that_are_trained_on_is_said(training):
    assert "8 of 8 validation videos are trained on: accuracies are too high" in training(validation="train").notes
    assert "too high" not in " ".join(training().notes)


PARALLEL = """
import sys, torch
from pathlib import Path
from gsm_bench.manifest import load_manifest
from gsm_bench.train.fit import Trainer
from gsm_bench.train.parallel import process_group
from gsm_bench.train.resolve import TrainRequest, resolve
from gsm_bench.train.rules import recipe_of
from gsm_bench.workspace import Workspace
data, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
recipe = recipe_of("default", {"epochs": 1, "batch": 4, "accumulate": 2, "dropout": 0.0, "clip_norm": 1.0})
workspace = Workspace(out.parent)
training = resolve(
    TrainRequest(
        "shapes_8f", out.with_suffix(".safetensors"), recipe, data=data, frames=2, workers=0, device="cpu"
    ),
    load_manifest(workspace), workspace,
)
with process_group("cpu") as group:
    trainer = Trainer(training, group, None)
    for module in trainer.network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()  # statistics are of each process's own clips
    for batch in trainer.batches():
        trainer.micro_batch(batch)
    if group.leads:
        torch.save(trainer.network.state_dict(), out)
"""


def test_two_processes_with_half_the_clips_each_equal_one(data, tmp_path):
    script = tmp_path / "parallel.py"
    script.write_text(PARALLEL)
    for processes in (1, 2):
        out = tmp_path / f"{processes}.pt"
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        ran = subprocess.run(
            [*words, str(script), str(data), str(out)], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
            timeout=10 * PATIENCE_S,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    one, two = (torch.load(tmp_path / f"{processes}.pt", weights_only=True) for processes in (1, 2))
    moved = 0.0
    for key, value in one.items():
        difference = (value - two[key]).abs().max() if value.is_floating_point() else 0
        assert difference <= 1e-5 * max(1.0, float(value.abs().max())), key
        moved = max(moved, float(value.abs().max()))
    assert moved > 0
