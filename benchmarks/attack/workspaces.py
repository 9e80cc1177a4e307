"""A small workspace in which every writing command runs: frames in all forms, networks, scores, dumps, EPIC lists."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from gsm_bench.cli import main
from gsm_bench.manifest import load_manifest
from gsm_bench.nets.registry import network_for
from gsm_bench.scorefile import ClipScores, views_array, write
from gsm_bench.splits import read_split
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_DATASET
from tests.epic_files import CLASSES_55, CLASSES_100, write_epic_55, write_epic_100
from tests.frames.forms import as_hdf5, as_tar, as_zip, make_video

VIDEOS = 36
"""Three chunks of a run."""
CLASSES = ("ape", "bee", "cat", "dog", "elk")
FORMS = ("jpeg", "video", "tar", "zip", "pack")
"""Folders of the same three videos, stored in another form each."""
MANIFEST = (
    TOY_DATASET
    + """
val = { lists = ["val.txt"], groups = "groups.csv:event" }

[cascades.quick]
members = [{ model = "net_4f", clips = 1 }, { model = "net_6f", clips = 1 }]
rule = "confidence"
thresholds = [0.5]
"""
)
MODEL = """
[models.{name}]
title = "Network of {frames} frames"
network = "bninception"
temporal = "gsm"
frames = {frames}
classes = 5
class_order = "file"
input = {{ size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [104, 117, 128], std = [1, 1, 1] }}
checkpoint = {{ file = "{name}.{suffix}" }}
options = {{ width = 0.0625 }}
dataset = "toy"
split = "val"
clips = 2
"""
NETWORK = """
import pathlib

import torch

(pathlib.Path(__file__).parent / "canary").touch()


def build(entry):
    return torch.nn.Sequential(torch.nn.Flatten(1), torch.nn.LazyLinear(5))
"""
"""A network of the workspace's own, which leaves a file behind wherever it is run."""
SHAPES = ("data/shapes", "--quiet", "--workers", "1")


def build(root: Path) -> None:
    """Make the workspace in an empty folder; the current directory becomes that folder."""
    os.chdir(root)
    (root / "manifests").mkdir()
    models = [MODEL.format(name=f"net_{n}f", frames=n, suffix="safetensors") for n in (4, 6)]
    models.append(MODEL.format(name="net_torch", frames=4, suffix="pth"))
    (root / "manifests/toy.toml").write_text(MANIFEST + "".join(models))
    own = MODEL.format(name="own", frames=4, suffix="safetensors").replace('"bninception"', '"ownnet:build"')
    (root / "manifests/own.toml").write_text(
        "".join(f"{line}\n" for line in own.splitlines() if "temporal" not in line)
    )
    (root / "ownnet.py").write_text(NETWORK)
    rng = np.random.default_rng(0)
    labels = _frames(root / "data/toy", VIDEOS, rng)
    for form in FORMS:
        _frames(root / form, 3, np.random.default_rng(1))
        _change_form(root / form / "frames", form)
    workspace = Workspace.locate(root)
    _checkpoints(workspace)
    for name in ("a", "b"):
        write(root / f"{name}.h5", labelled_scores(labels, rng, name))
    _dumps(root, labels, rng)
    _epic(workspace, rng)
    quietly("score", "--models", "net_4f,net_6f", "--quiet", "--threads", "1", "--workers", "1", "--device", "cpu")
    for split in ("train", "val"):
        quietly("shapes", "make", *SHAPES, "--split", split, "--videos", "28" if split == "train" else "14")


def quietly(*arguments: str) -> None:
    """Run a command of which nothing is shown; it must succeed."""
    err = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            main(list(arguments))
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"{' '.join(arguments)}: {err.getvalue()}") from ended


def labelled_scores(labels: np.ndarray, rng: np.random.Generator, name: str) -> ClipScores:
    """Logits [N, 2, 5] that are right more often than not, as a score file's content."""
    scores = rng.standard_normal((len(labels), 2, 5)) + 1.5 * np.eye(5)[labels][:, None]
    return ClipScores(
        ids=tuple(f"v{row}" for row in range(len(labels))), kinds={"action": "logits"}, classes_per_task={"action": 5},
        views=views_array((0.0, 0.5), 1), status=np.zeros(len(labels), np.uint8), class_names={"action": CLASSES},
        provenance={"model": name, "dataset": "toy", "split": "val", "sampling": {"frames": 4}},
        scores={"action": scores.astype(np.float32)},
    )  # fmt: skip


def _frames(data: Path, videos: int, rng: np.random.Generator) -> np.ndarray:
    """JPEG folders, a list, class names and groups; returns the labels int64 [N]."""
    labels = np.arange(videos) % len(CLASSES)
    lines, groups = [], ["id,event"]
    for number, label in enumerate(labels):
        count, folder = 4 + number % 3, data / "frames" / f"v{number}"
        folder.mkdir(parents=True)
        for frame in range(1, count + 1):
            Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).save(folder / f"{frame:05d}.jpg")
        lines.append(f"v{number} {count} {label}\n")
        groups.append(f"v{number},{number // 2}")
    (data / "val.txt").write_text("".join(lines))
    (data / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (data / "groups.csv").write_text("\n".join(groups) + "\n")
    return labels


def _change_form(frames: Path, form: str) -> None:
    """Store the frames in another form instead of folders."""
    folders = sorted(frames.iterdir())
    for at, folder in enumerate(folders):
        if form == "video":
            make_video(folder.with_suffix(".mp4"), "mpeg4", count=4 + at % 3, varying=False, seed=at)
        elif form == "tar":
            as_tar([folder], folder.with_suffix(".tar"), inside=False)
        elif form == "zip":
            as_zip([folder], folder.with_suffix(".zip"), inside=False)
    if form == "pack":
        as_hdf5(folders, frames.with_suffix(".h5"))
        shutil.rmtree(frames)
    elif form != "jpeg":
        for folder in folders:
            shutil.rmtree(folder)


def _checkpoints(workspace: Workspace) -> None:
    workspace.checkpoints.mkdir()
    manifest = load_manifest(workspace)
    for name in ("net_4f", "net_6f", "net_torch"):
        torch.manual_seed(len(name))
        entry = manifest.model(name)
        state, path = network_for(entry).state_dict(), workspace.checkpoints / entry.checkpoint.file
        save_file(state, path) if path.suffix == ".safetensors" else torch.save({"state_dict": state}, path)


def _dumps(root: Path, labels: np.ndarray, rng: np.random.Generator) -> None:
    ids = [f"v{row}" for row in range(len(labels))]
    scores = rng.standard_normal((len(labels), 5)).astype(np.float32)
    np.savez(root / "dump.npz", ids=ids, scores=scores, labels=labels)
    rows = [{"pred_score": row, "gt_label": int(label)} for row, label in zip(scores, labels, strict=True)]
    (root / "dump.pkl").write_bytes(pickle.dumps({"ids": ids, "scores": scores, "labels": labels}))
    (root / "rows.pkl").write_bytes(pickle.dumps(rows, 2))
    lines = [",".join([name, *map(repr, map(float, row))]) for name, row in zip(ids, scores, strict=True)]
    (root / "dump.csv").write_text("\n".join(["id," + ",".join(f"c{at}" for at in range(5)), *lines]) + "\n")
    quietly("export", "a.h5", "--to", "parquet", "--out", "dump.parquet")


def _epic(workspace: Workspace, rng: np.random.Generator) -> None:
    """Lists of EPIC-KITCHENS, scores of their splits, a submission in the ledger."""
    write_epic_55(workspace.data / "epic-55")
    write_epic_100(workspace.data / "epic-100")
    for dataset, split in (("epic-55", "s1"), ("epic-55", "s2"), ("epic-100", "test"), ("epic-100", "validation")):
        listed = read_split(load_manifest(workspace).dataset(dataset), split, workspace.data / dataset)
        classes = dict(CLASSES_55 if dataset == "epic-55" else CLASSES_100)
        scores = {task: rng.standard_normal((len(listed), 2, c)).astype(np.float32) for task, c in classes.items()}
        content = ClipScores(
            ids=listed.ids, kinds=dict.fromkeys(scores, "logits"), classes_per_task=classes, views=views_array((0.0, 0.5), 1),
            status=np.zeros(len(listed), np.uint8), scores=scores,
            provenance={"model": "mine", "dataset": dataset, "split": split, "signature": f"seed=0; split={split}"},
        )  # fmt: skip
        path = workspace.score_path(dataset, split, "mine")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    quietly("submit", "epic100", "--sls-pt", "1", "--sls-tl", "3", "--sls-td", "3", "--out", "sent.zip")
    quietly("submit", "log", "sent.zip", "--score", "verb=10,noun=20,action=5")


def packed_names(path: Path) -> list[str]:
    """Videos in a frame pack."""
    with h5py.File(path) as file:
        return sorted(file)
