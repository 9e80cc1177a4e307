"""Fixtures that never import torch by themselves: the light side is tested where torch is absent, too."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from gsm_bench.scorefile import ClipScores, views_array, write
from gsm_bench.workspace import Workspace

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # how long an example takes says nothing about the code
REFERENCE = Path(__file__).parent / "reference"
TOY_DATASET = """
[datasets.toy]
title = "Toy"
layout = "list"
classes = 5
class_order = "file"
frame_pattern = "{id}/{frame:05d}.jpg"
frame_roots = ["frames"]
class_files = ["classes.txt"]
[datasets.toy.splits]
"""
"""What a manifest says of the toy data set, up to its splits."""
TOY_MANIFEST = (
    TOY_DATASET
    + """
val = { lists = ["val.txt"] }
bare = { lists = ["bare.txt"] }
unlabelled = { lists = ["unlabelled.txt"] }

[models.toy_4f]
title = "Toy network"
network = "toynet:build"
frames = 4
classes = 5
class_order = "file"
input = { size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [104, 117, 128], std = [1, 1, 1] }
checkpoint = { file = "toy.safetensors" }
dataset = "toy"
split = "val"
clips = 2

[models.toy_bninc]
title = "Toy BN-Inception"
network = "bninception"
temporal = "gsm"
frames = 4
classes = 5
class_order = "file"
input = { size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [104, 117, 128], std = [1, 1, 1] }
checkpoint = { file = "toy_bninc.safetensors" }
options = { width = 0.125 }
dataset = "toy"
split = "val"
clips = 2
"""
)
TOY_NETWORK = """
import torch


class ToyNetwork(torch.nn.Module):
    \"\"\"One convolution and a weight per frame, so that frames, channels and their order all matter.\"\"\"

    def __init__(self, frames, classes):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 5, stride=4)
        self.times = torch.nn.Parameter(torch.randn(frames, 1, 1))
        self.fc = torch.nn.Linear(8, classes)

    def forward(self, x):  # [B, T, 3, S, S]
        features = torch.tanh(self.conv(x.flatten(0, 1)) * 0.02).amax((2, 3)).view(*x.shape[:2], 8)
        return self.fc((features * self.times[:, :, 0]).mean(1))


def build(entry):
    return ToyNetwork(entry.frames, entry.tasks["action"])
"""


SLOW = (
    "cases/test_class_folders.py",
    "metrics/test_average_precision.py::test_equals_scikit_learn",
    "trust/test_diagnose_model.py",
    "trust/test_diagnose_scores.py::test_two_hundred_sound_files",
    "train/test_train_steps.py",
    "train/test_fit.py::test_stopped_after_any",
    "train/test_fit.py::test_two_processes",
    "train/test_fit.py::test_number_of_reading",
    "train/test_fit.py::test_half_precision",
    "train/test_fit.py::test_the_validation",
    "train/test_fit.py::test_the_card",
    "train/test_train_command.py::test_train_then",
    "scoring/test_ray.py",
    "nets/test_shift_networks.py::test_prepared_networks",
    "nets/test_shift_networks.py::test_a_plain_resnet",
    "nets/test_shift_networks.py::test_files_as_their_authors",
    "scoring/test_kills.py",
    "scoring/test_end_to_end.py",
    "scoring/test_resize_on_device.py::test_on_ray",
    "scoring/test_resize_on_device.py::test_the_released_codes_logits",
    "bench/test_attack.py::test_at_toy_size",
    "bench/test_gpu_script.py",
    "bench/test_bench.py",
    "nets/test_parity.py::test_logits_equal_the_released_code[GSM-InceptionV3",
    "nets/test_parity.py::test_logits_equal_the_released_code[GSM-BNInception-16f",
    "nets/test_libraries.py::test_t",
    "nets/test_networks.py::test_a_few_frames_at_a_time",
    "nets/test_networks.py::test_clips_of_a_batch_do_not_mix",
    "nets/test_networks.py::test_order_of_frames_matters",
    "nets/test_saliency.py::test_tube_and_bias_are_the_logit_of_the_real_networks",
    "scoring/test_features.py::test_blocks_are_means",
    "figures/test_clips.py::test_saliency_of_own",
    "figures/test_clips.py::test_a_film_has_the_same",
    "cases/test_console.py::test_no_escape_reaches_a_terminal",
    "cases/test_masked_scores.py::test_other_masks",
    "cases/test_writers.py::test_of_parallel_writers_one_wins_and_the_others_say_so",
    "frames/test_remote.py::test_scores_from_an_s3_like_server",
    "frames/test_pack.py::test_killed_again_and_again",
    "tables/test_latex.py::test_a_thousand_hostile_class_names",
    "tables/test_latex.py::test_the_tables_of_the_paper",
    "cli/test_demo.py::test_demo_end_to_end",
    "scoring/test_network.py::test_compiled_for_real",
    "figures/test_reports.py",
    "figures/test_labels.py",
    "api/test_notebook.py",
    "api/test_files.py::test_scoring_writes",
    "submit/test_check.py::test_a_thousand_random_mutations",
    "cases/test_console.py::test_other_commands_on_such_consoles",
    "cases/test_trust.py::test_modules_beside_the_manifests_are_never_imported",
    "cases/test_runs.py::test_a_child_with_much_to_say",
    "figures/test_kinds.py::test_same_bytes_twice",
    "report/test_page.py",
    "report/test_hostile.py",
    "report/test_odd_inputs.py",
    "report/test_splits.py",
    "report/test_panels.py",
    "test_readme.py::test_every_command_of_the_readme",
    "trust/test_doctor_data.py::test_killed_and_continued",
    "trust/test_doctor_data.py::test_a_video_that_kills",
    "trust/test_doctor_data.py::test_chunks_of_another",
    "trust/test_canary.py::test_the_shipped_canary_holds",
)
"""Tests of seconds each, by the beginning of their names: `make test-slow` runs them, CI too."""


LONGEST = (
    "scoring/test_ray.py",
    "bench/test_gpu_script.py",
    "scoring/test_kills.py",
    "report/test_page.py",
    "train/test_fit.py",
    "nets/test_parity.py",
    "bench/test_bench.py",
    "scoring/test_network.py",
    "nets/test_networks.py",
    "cli/test_demo.py",
    "figures/test_reports.py",
    "trust/test_diagnose_model.py",
    "scoring/test_end_to_end.py",
    "figures/test_labels.py",
    "bench/test_attack.py",
    "scoring/test_resize_on_device.py",
    "trust/test_doctor_data.py",
    "trust/test_canary.py",
    "nets/test_saliency.py",
    "train/test_train_command.py",
    "nets/test_libraries.py",
    "submit/test_check.py",
    "test_readme.py",
    "test_laboratory.py",
)
"""Files that take longest: they begin first, so that none of them is left to one process at the end."""


def pytest_ignore_collect(collection_path, config):
    """Files none of whose tests is asked for are not read: each process needs seconds to read them all."""
    if collection_path.suffix != ".py":
        return None
    name = collection_path.relative_to(Path(__file__).parent).as_posix()
    idle = {"slow": not any(slow.startswith(name) for slow in SLOW), "not slow": name in SLOW}
    return idle.get(config.option.markexpr) or None


def pytest_collection_modifyitems(items):
    for item in items:
        if _name(item).startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(
        key=lambda item: next((at for at, name in enumerate(LONGEST) if _name(item).startswith(name)), len(LONGEST))
    )


def _name(item) -> str:
    return item.nodeid.removeprefix("tests/")


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def reference() -> Path:
    return REFERENCE


def shared_real() -> Path:
    """Files that others made, which are never part of this project: $GSMBENCH_SHARED/real, or ../shared/real."""
    beside = Path(__file__).parent.parent.parent / "shared"
    return Path(os.environ.get("GSMBENCH_SHARED", beside)) / "real"


@pytest.fixture(scope="session")
def real() -> Path:
    if not shared_real().is_dir():
        pytest.skip("the organisers' files are not here: set GSMBENCH_SHARED")
    return shared_real()


def reference_module(name: str) -> ModuleType:
    """One of the fixture generators: weights, images, scores, plain."""
    spec = importlib.util.spec_from_file_location(f"reference_{name}", REFERENCE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory):
    """A configuration directory of the tests: which code is trusted is no matter of whoever runs them."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("configuration"))
    yield
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Children that are sent SIGINT end by it, also where the tests run in the background of a shell, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Numbers from a generator without a seed are those of every run, whichever tests ran before in this process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def trust(workspace: Workspace) -> None:
    """Allow the code of all models of a workspace to run, as it is now."""
    from gsm_bench.manifest import load_manifest
    from gsm_bench.permissions import allow, missing_permissions

    for code in missing_permissions(list(load_manifest(workspace).models.values()), workspace.root).values():
        allow(code)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """An empty workspace with the toy entries, whose code may run; the current directory."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "toy.toml").write_text(TOY_MANIFEST)
    (tmp_path / "toynet.py").write_text(TOY_NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GSMBENCH_HOME", raising=False)
    from gsm_bench.network_code import code_of
    from gsm_bench.permissions import allow

    located = Workspace.locate(tmp_path)
    allow(code_of("toynet:build", located.root.resolve()))
    return located


@pytest.fixture
def gsmbench(capsys):
    """Run the command line in this process."""

    def call(*arguments: object) -> Ran:
        from gsm_bench.cli import main

        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(stopped.value.code or 0), captured.out, captured.err)

    return call


@contextmanager
def edited_h5(path):
    """An HDF5 file that its author changes: without checksums, which HDF5 does not keep right."""
    with h5py.File(path, "r+") as file:
        if "checksums" in file:
            del file["checksums"]
        yield file


def clip_scores(
    scores: np.ndarray, ids=None, *, offsets=(0.0, 0.5), kind="logits", status=None, names=(), **provenance
) -> ClipScores:
    """A score file's content from an array [N, V, C]."""
    clips = len(scores)
    return ClipScores(
        ids=tuple(ids) if ids is not None else tuple(f"v{row}" for row in range(clips)),
        kinds={"action": kind},
        classes_per_task={"action": scores.shape[2]},
        views=views_array(tuple(offsets), 1),
        status=np.zeros(clips, np.uint8) if status is None else np.asarray(status, np.uint8),
        provenance=provenance,
        class_names={"action": tuple(names)} if names else {},
        scores={"action": scores.astype(np.float32)},
    )


def write_features(path: Path, ids, layers: dict[str, np.ndarray], *, status=None, **provenance) -> Path:
    """A feature file of one view from arrays [N, F] by layer."""
    from gsm_bench.score_head import FEATURES, ScoreHead
    from gsm_bench.scorefile import create

    head = ScoreHead(
        ids=tuple(ids),
        kinds=dict.fromkeys(layers, "features"),
        classes_per_task={layer: values.shape[1] for layer, values in layers.items()},
        views=views_array((0.5,), 1),
        status=np.zeros(len(ids), np.uint8) if status is None else np.asarray(status, np.uint8),
        provenance=provenance,
    )
    with create(path, head, form=FEATURES) as datasets:
        for layer, values in layers.items():
            datasets[layer][...] = values[:, None]
    return path


@pytest.fixture
def toy_labels(workspace) -> np.ndarray:
    """A labelled list of 60 clips in data/toy, without frames; int [60]."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 5, 60)
    data = workspace.data / "toy"
    data.mkdir(parents=True)
    lengths = rng.integers(2, 30, 60)
    rows = [f"v{row} {n} {label}" for row, (n, label) in enumerate(zip(lengths, labels, strict=True))]
    (data / "val.txt").write_text("\n".join(rows) + "\n")
    (data / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    return labels


@pytest.fixture
def save_scores(workspace):
    """Write a score file of the toy data set; returns its path."""

    def save(name: str, scores: np.ndarray, **options) -> Path:
        path = workspace.score_path("toy", "val", name)
        provenance = {
            "model": name,
            "dataset": "toy",
            "split": "val",
            "sampling": {"frames": 4},
            **options.pop("provenance", {}),
        }
        write(path, clip_scores(scores, **options, **provenance))
        return path

    return save
