"""Networks of libraries by name: the numbers of a plain loop of each library's own preprocessing."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gsm_bench.entries import ModelEntry, library_of, runs_named_code
from gsm_bench.errors import NetworkError
from gsm_bench.geometry import InputSpec
from gsm_bench.nets.libraries import library_settings
from gsm_bench.nets.registry import network_for
from gsm_bench.scorefile import read

VIDEOS = int(os.environ.get("GSMBENCH_CLIPS", "2"))
"""Few are enough to see a difference; networks of real size take seconds per clip."""
STORED, CLASSES = 19, 5
TINY = {
    "videomae": {"num_frames": 4, "image_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                 "intermediate_size": 32},
    "timesformer": {"num_frames": 4, "image_size": 32, "hidden_size": 16, "num_hidden_layers": 2,
                    "num_attention_heads": 2, "intermediate_size": 32},
    "vivit": {"num_frames": 4, "image_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 32, "tubelet_size": [2, 8, 8]},
    "vjepa2": {"frames_per_clip": 4, "crop_size": 32, "hidden_size": 24, "num_hidden_layers": 2,
               "num_attention_heads": 2, "mlp_ratio": 2.0, "pred_hidden_size": 24, "pred_num_attention_heads": 2,
               "pred_num_hidden_layers": 1, "num_pooler_layers": 1},
}  # fmt: skip
PREPROCESSORS = {"videomae": "VideoMAEImageProcessorPil", "timesformer": "VideoMAEImageProcessorPil",
                 "vivit": "VivitImageProcessor", "vjepa2": "VJEPA2VideoProcessor"}  # fmt: skip


@pytest.fixture
def frames(workspace):
    """A data set of ten videos of noise with edges; writes them in a size and returns uint8 [N, T, H, W, 3]."""

    def make(width, height):
        rng, folder = np.random.default_rng(0), workspace.root / "data" / "noise"
        videos = rng.integers(0, 256, (VIDEOS, STORED, height, width, 3), np.uint8)
        for video in range(VIDEOS):
            (folder / f"v{video}").mkdir(parents=True)
            for at in range(STORED):
                Image.fromarray(videos[video, at]).save(folder / f"v{video}" / f"{at + 1:05d}.png")
        rows = "".join(f"v{video} {STORED} {video % CLASSES}\n" for video in range(VIDEOS))
        (folder / "val.txt").write_text(rows)
        (workspace.manifests / "noise.toml").write_text(
            f'[datasets.noise]\ntitle = "noise"\nlayout = "list"\nclasses = {CLASSES}\nclass_order = "file"\n'
            'frame_pattern = "{id}/{frame:05d}.png"\nsplits = { val = { lists = ["val.txt"] } }\n'
        )
        return videos

    return make


def sampled(videos, count):
    """The frames [N, T, ...] of the one clip, by the rule of the paper."""
    tick = STORED / count
    return videos[:, [int(tick / 2 + tick * at) for at in range(count)]]


def scores_of(gsmbench, workspace, *options):
    """Scores [N, C] by the command line."""
    added = gsmbench("models", "add", "mine", "--dataset", "noise", *options)
    assert added.status == 0, added.err
    scored = gsmbench("score", "--model", "mine", "--out", "mine.h5", "--quiet", "--device", "cpu", "--batch", "2")
    assert scored.status == 0, scored.err
    content = read(workspace.root / "mine.h5")
    assert content.ids[0] == "v0"
    return content.scores["action"][:, 0], content.provenance


def assert_equal(scores, expected):
    difference = np.abs(scores - expected).max() / expected.std()
    print(f"{len(scores)} clips, largest difference {difference:.1e} of the spread")
    assert difference <= 1e-4
    assert expected.std(axis=0).min() > 0


TORCHVISION = {"r3d_18": (171, 128), "mc3_18": (171, 128), "r2plus1d_18": (171, 128), "s3d": (256, 256),
               "mvit_v2_s": (256, 256), "swin3d_t": (256, 256)}  # fmt: skip


LARGE = ("mc3_18", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t")
"""Networks that every run of the tests can do without."""


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(gsmbench, workspace, frames, name):
    from torchvision.models import get_model, get_model_weights

    if name in LARGE and "GSMBENCH_CLIPS" not in os.environ:
        pytest.skip("seconds per clip: set GSMBENCH_CLIPS=10")
    videos = frames(*TORCHVISION[name])
    torch.manual_seed(0)
    network = get_model(name, weights=None, num_classes=CLASSES).eval()
    torch.save(network.state_dict(), "own.pth")
    count = {"s3d": 14, "mvit_v2_s": 16}.get(name, 4)
    scores, provenance = scores_of(
        gsmbench, workspace, "--network", f"torchvision:{name}", "--checkpoint", "own.pth", "--classes", CLASSES,
        "--frames", count,
    )  # fmt: skip
    preset = get_model_weights(name).DEFAULT.transforms()
    with torch.no_grad():
        clips = [preset(torch.from_numpy(clip).permute(0, 3, 1, 2)) for clip in sampled(videos, count)]
        expected = torch.cat([network(clip[None]) for clip in clips]).numpy()
    assert_equal(scores, expected)
    assert "library=torchvision=" in provenance.signature
    assert provenance.macs_bare_per_view > 0


@pytest.mark.parametrize("name", TINY)
def test_transformers(gsmbench, workspace, frames, name):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from gsm_bench.nets.libraries.transformers_video import FAMILIES

    family, folder = FAMILIES[name], workspace.root / "weights"
    config = getattr(transformers, family.config)(
        **TINY[name], id2label={number: f"c{number}" for number in range(CLASSES)}
    )
    torch.manual_seed(0)
    network = getattr(transformers, family.classifier)(config).eval()
    network.save_pretrained(folder)
    if not hasattr(transformers, PREPROCESSORS[name]):
        pytest.skip(f"this version of transformers has no {PREPROCESSORS[name]}")
    side = 36 if name == "vjepa2" else 40  # V-JEPA 2's processor derives it from crop_size, whatever `size` says
    processor = getattr(transformers, PREPROCESSORS[name])(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
    )
    processor.save_pretrained(folder)
    videos = frames(side, side)
    scores, _ = scores_of(gsmbench, workspace, "--network", f"transformers:{name}", "--checkpoint", folder)
    clips = [list(clip) for clip in sampled(videos, 4)]
    key = "pixel_values_videos" if name == "vjepa2" else "pixel_values"
    with torch.no_grad():
        inputs = [processor(clip, return_tensors="pt") for clip in clips]
        expected = torch.cat([network(next(iter(each.values()))).logits for each in inputs]).numpy()
    assert key in inputs[0]
    assert_equal(scores, expected)


RESNET, CONVNEXT = ("resnet18", "convnext_atto") if "GSMBENCH_CLIPS" in os.environ else ("test_resnet", "test_convnext")
TIMM = [(RESNET, ()), (RESNET, ("shift_div",)), (CONVNEXT, ())]


@pytest.mark.parametrize(("name", "options"), TIMM)
def test_timm(gsmbench, workspace, frames, name, options):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    from torchvision.transforms import v2

    videos = frames(64, 64)
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=CLASSES).eval()
    save_file(network.state_dict(), "own.safetensors")
    shift = ("--set", "options.shift_div=8") if options else ()
    scores, _ = scores_of(
        gsmbench, workspace, "--network", f"timm:{name}", "--checkpoint", "own.safetensors", "--frames", 4,
        "--set", "input.size=48", "--set", "input.resize=64", *shift,
    )  # fmt: skip
    config = network.default_cfg
    prepare = v2.Compose(
        [v2.CenterCrop(48), v2.ToDtype(torch.float32, scale=True), v2.Normalize(config["mean"], config["std"])]
    )
    if options:
        shift_by_hand(network, 4)
    with torch.no_grad():
        clips = [prepare(torch.from_numpy(clip).permute(0, 3, 1, 2)) for clip in sampled(videos, 4)]
        expected = torch.stack([network(clip).mean(dim=0) for clip in clips]).numpy()
    assert_equal(scores, expected)


def shift_by_hand(network, frames):
    """TSM, channel by channel: an eighth from the next frame, an eighth from the previous one."""

    def shifted(_, inputs):
        (features,) = inputs
        fold = features.shape[1] // 8
        moved = features.clone()
        for at in range(len(features)):
            is_last, is_first = at % frames == frames - 1, at % frames == 0
            moved[at, :fold] = 0 if is_last else features[at + 1, :fold]
            moved[at, fold : 2 * fold] = 0 if is_first else features[at - 1, fold : 2 * fold]
        return (moved,)

    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in layer:
            block.conv1.register_forward_pre_hook(shifted)


def entry_of(network, frames=16, size=112, **options):
    spec = InputSpec(size, size, "RGB", 1.0, (0.5,) * 3, (0.5,) * 3)
    return ModelEntry("mine", "mine", network, frames, CLASSES, "file", spec, None, "noise", "val", options=options)


def test_a_library_is_never_a_file_of_the_workspace(workspace):
    for name in ("torchvision", "timm", "transformers"):
        (workspace.root / f"{name}.py").write_text("raise SystemExit('run')")
    assert network_for(entry_of("torchvision:r3d_18"), search=workspace.root).fc.out_features == CLASSES
    assert not runs_named_code("torchvision:r3d_18")
    assert runs_named_code("torchvisions:r3d_18")
    assert library_of("timm") == ""


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("torchvision:nosuch", {}, "no video model 'nosuch'"),
        ("torchvision:resnet18", {}, "no video model 'resnet18'"),
        ("torchvision:r3d_18", {"depth": 4}, "cannot be built for mine"),
        ("torchvision:mvit_v2_s", {}, "takes 16 frames of 224 pixels, mine gives 16 frames of 112"),
        ("timm:nosuch", {}, "timm has no model"),
        ("timm:convnext_atto", {"shift_div": 8}, "residual blocks"),
        ("transformers:bert", {}, "no video classifier 'bert'"),
        ("transformers:videomae", {"depth": 4}, "no option 'depth'"),
        ("transformers:videomae", {"hidden_size": 7}, "cannot be built"),
    ],
)
def test_wrong_names_and_options(network, options, words):
    pytest.importorskip(library_of(network))
    with pytest.raises(NetworkError, match=words):
        network_for(entry_of(network, **options))


def test_settings_of_torchvision_are_its_metadata():
    values = library_settings("torchvision:r3d_18", None).values
    assert (values["frames"], values["classes"]) == (16, 400)
    assert values["input"]["stretch"] == [128, 171]
    assert values["input"]["size"] == 112
    assert library_settings("torchvision:swin3d_b", None).values["frames"] == 32


def test_models_add_without_weights_says_where_they_are(gsmbench, workspace, frames):
    frames(8, 8)
    ran = gsmbench("models", "add", "r3d", "--network", "torchvision:r3d_18", "--dataset", "noise", "--classes", 5)
    assert ran.status == 0, ran.err
    assert "download the weights from https://download.pytorch.org/models/r3d_18" in ran.err
    shown = gsmbench("models", "show", "r3d").out
    assert "stretched to 171 x 128" in " ".join(shown.split())


ODD_FOLDERS = {
    "no config.json": lambda folder: (folder / "config.json").unlink(),
    "not JSON": lambda folder: (folder / "config.json").write_text("{"),
    "holds no object": lambda folder: (folder / "config.json").write_text("[]"),
    "weights of a 'vivit'": lambda folder: (folder / "config.json").write_text('{"model_type": "vivit"}'),
    "no model.safetensors": lambda folder: (folder / "model.safetensors").unlink(),
    "several files": lambda folder: (folder / "model.safetensors").rename(folder / "model.safetensors.index.json"),
    "filter 3": lambda folder: (folder / "preprocessor_config.json").write_text('{"resample": 3}'),
    "input not known": lambda folder: (folder / "preprocessor_config.json").unlink(),
}


@pytest.mark.parametrize("words", ODD_FOLDERS)
def test_odd_folders_of_transformers(gsmbench, workspace, frames, words):
    pytest.importorskip("transformers", reason="transformers is not installed")
    frames(8, 8)
    folder = workspace.root / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "videomae", "num_labels": 5, **TINY["videomae"]}))
    (folder / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 32}, "crop_size": 32}')
    (folder / "model.safetensors").write_bytes(b"")
    ODD_FOLDERS[words](folder)
    ran = gsmbench(
        "models", "add", "mae", "--network", "transformers:videomae", "--checkpoint", folder, "--dataset", "noise"
    )
    assert ran.status == 1
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
