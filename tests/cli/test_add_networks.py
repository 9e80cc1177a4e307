"""``models add --network`` of a library, with input that does not fit: one message that says what, where and how to fix it."""

import json
import sys

import pytest

from gsm_bench.manifest import load_manifest
from gsm_bench.nets.libraries import library_settings

NOISE = """
[datasets.noise]
title = "noise"
layout = "list"
classes = 5
class_order = "file"
frame_pattern = "{id}/{frame:05d}.png"
splits = { val = { lists = ["val.txt"] } }
"""
TINY = {"num_frames": 4, "image_size": 32, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "num_labels": 5}  # fmt: skip
PREPROCESSOR = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3,
                "image_std": [0.25] * 3}  # fmt: skip


@pytest.fixture
def add(gsmbench, workspace):
    """Runs ``models add mine`` for a data set of five classes; returns its status and its messages in one line."""
    (workspace.manifests / "noise.toml").write_text(NOISE)

    def run(network, *options, dataset=("--dataset", "noise")):
        ran = gsmbench("models", "add", "mine", "--network", network, *dataset, *options)
        assert "Traceback" not in ran.err
        return ran.status, " ".join(ran.err.split())

    return run


@pytest.fixture
def weights(workspace):
    """Weights of timm's smallest ResNet for five classes."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet", num_classes=5).state_dict(), workspace.root / "own.safetensors")
    return "own.safetensors"


@pytest.fixture
def folder(workspace):
    """A function that writes a folder of VideoMAE with other values in its preprocessor; returns its path."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")

    def make(**changes):
        network = transformers.VideoMAEForVideoClassification(transformers.VideoMAEConfig(**TINY))
        network.save_pretrained(workspace.root / "mae")
        kept = {key: value for key, value in (PREPROCESSOR | changes).items() if value is not None}
        (workspace.root / "mae" / "preprocessor_config.json").write_text(json.dumps(kept))
        return workspace.root / "mae"

    return make


def test_weights_that_fit_are_taken(add, weights, workspace):
    status, text = add("timm:test_resnet", "--checkpoint", weights, "--frames", 4)
    assert status == 0, text
    entry = load_manifest(workspace).model("mine")
    assert (entry.input.size, entry.input.resize, entry.tasks["action"]) == (160, 168, 5)
    assert not entry.notes


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("timm:test_resent", ("--frames", 4), "timm has no model 'test_resent' fix: one of timm.list_models(), such as test_resnet"),
        ("timm:test_resnet", (), "frames not known fix: --frames T"),
        ("timm:test_convnext", ("--frames", 4), "does not fit the network"),
        ("timm:test_resnet", ("--frames", 4, "--classes", 7), "mine has 7 action classes"),
        ("timm:test_resnet", ("--frames", 4, "--split", "nosuch"), "'nosuch'"),
        ("timm:test_resnet", ("--frames", 4, "--set", "options.depth=4"), "cannot be built for mine"),
        ("timm:", ("--frames", 4), "timm has no model ''"),
        ("torchvision:s3d", ("--frames", 4, "--set", "input.size=64"), "takes no 4 frames of 64 x 64 pixels"),
        ("torchvision:r3d_81", (), "torchvision has no video model 'r3d_81' fix: one of mc3_18"),
        ("torchvision:mvit_v2_s", ("--frames", 8), "takes 16 frames of 224 pixels"),
        ("transformers:VideoMAE", (), "no video classifier 'VideoMAE'"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit(add, weights, workspace, network, options, words):
    status, text = add(network, "--checkpoint", weights, *options)
    assert status == 1
    assert words in text
    assert not (workspace.manifests / "local.toml").exists()


def test_weights_of_other_classes(add, gsmbench, weights, workspace):
    """The data set has nine classes, the file five."""
    (workspace.manifests / "nine.toml").write_text(NOISE.replace("noise", "nine").replace("= 5", "= 9"))
    status, text = add("timm:test_resnet", "--checkpoint", weights, "--frames", 4, dataset=("--dataset", "nine"))
    assert status == 1
    assert "of another shape (first: fc.weight: 5x" in text


def test_a_file_that_is_not_there(add, weights):
    for network in ("timm:test_resnet", "transformers:videomae"):
        pytest.importorskip(network.partition(":")[0])
        status, text = add(network, "--checkpoint", "nosuch", "--frames", 4)
        assert status == 1
        assert "no such checkpoint" in text


def test_names_that_would_be_paths_options_or_members(gsmbench, add, workspace):
    for name in ("../x", "a/b", "a,b", "a@2", "", "-x", ".", "x.h5", "a\tb", " a"):
        ran = gsmbench("models", "add", "--like", "inv3_8f", "--checkpoint", "noise.toml", "--", name)
        assert ran.status == 1
        assert "cannot be a name" in ran.err
    assert not (workspace.manifests / "local.toml").exists()
    (workspace.manifests / "odd.toml").write_text('[models."../x"]\nlike = "inv3_8f"\n')
    assert "cannot be a name" in gsmbench("models", "show", "../x").err


def test_a_folder_where_a_file_is_needed(add, weights, workspace):
    for options in ((), ("--checkpoint", workspace.root)):
        status, text = add("timm:test_resnet", "--frames", 4, *options)
        assert status == 1
        assert "checkpoint not known fix: --checkpoint FILE" in text


def test_without_a_data_set(add, weights):
    status, text = add("timm:test_resnet", "--checkpoint", weights, "--frames", 4, "--classes", 5, dataset=())
    assert status == 1
    assert "dataset not known fix: --dataset NAME" in text


def test_what_a_library_does_not_say_is_copied(add, weights, workspace):
    first, _ = add("timm:test_resnet", "--checkpoint", weights, "--frames", 4)
    status, text = add(
        "timm:test_resnet", "--checkpoint", weights, "--like", "mine", "--force", "--title", "again", dataset=()
    )
    assert (first, status) == (0, 0), text
    entry = load_manifest(workspace).model("mine")
    assert (entry.title, entry.frames, entry.dataset) == ("again", 4, "noise")


@pytest.mark.parametrize(("library", "extra"), [("timm", "timm"), ("transformers", "hf"), ("torchvision", "score")])
def test_a_library_that_is_not_installed(add, monkeypatch, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    status, text = add(f"{library}:any", "--frames", 4)
    assert status == 1
    assert f"{library} is not installed" in text
    assert f"pip install 'gsm-bench[{extra}]'" in text


def test_a_network_of_no_library(add):
    status, text = add("hf:videomae")
    assert status == 2
    assert "'--network' of torchvision, transformers or timm" in text


def test_what_timm_does_otherwise_is_said(workspace):
    pytest.importorskip("timm", reason="timm is not installed")
    values = library_settings("timm:resnet18", None).values
    assert values["notes"] == "timm resizes pictures for resnet18 by the filter bicubic, this entry by bilinear"
    assert values["input"]["resize"] == 235  # timm rounds 224 / 0.95 down


ODD = {
    "by Pillow's filter 3": {"resample": 3},
    "do_resize is false": {"do_resize": False},
    "image_mean is None, not three numbers": {"image_mean": None},
    "image_std is 0.5, not three numbers": {"image_std": 0.5},
    "is neither a square nor a shorter side": {"crop_size": {"height": 32, "width": 40}},
    "size {'longest_edge': 40} is neither": {"size": {"longest_edge": 40}},
    "a size is None, not a number of pixels": {"size": None},
    "a size is 'large', not a number": {"size": "large"},
    "could not convert string to float": {"rescale_factor": "a 255th"},
}


@pytest.mark.parametrize("words", ODD)
def test_preprocessors_that_cannot_be_followed(add, folder, words):
    status, text = add("transformers:videomae", "--checkpoint", folder(**ODD[words]))
    assert status == 1
    assert words in text
    assert "preprocessor_config.json" in text


def test_a_preprocessor_of_a_fixed_size(add, folder, workspace):
    status, text = add("transformers:videomae", "--checkpoint", folder(size={"height": 36, "width": 48}))
    assert status == 0, text
    spec = load_manifest(workspace).model("mine").input
    assert (spec.stretch, spec.resize, spec.size, spec.std) == ((36, 48), 36, 32, (0.25,) * 3)


def test_vivit_without_its_offset(tmp_path):
    """Its own preprocessor subtracts 1 whatever the file says."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    config = {"model_type": "vivit", "num_frames": 4, "image_size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    (tmp_path / "model.safetensors").write_bytes(b"")
    values = library_settings("transformers:vivit", tmp_path).values["input"]
    assert values["value_range"] == pytest.approx(2)
    assert values["mean"] == [1.5] * 3
