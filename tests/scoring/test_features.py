"""Features of layers: equal to what the classifier takes, resumed as scores are, and read with the same checks."""

import json

import h5py
import numpy as np
import pytest

from tests.conftest import edited_h5

torch = pytest.importorskip("torch")

from gsm_bench.api.bench import Bench  # noqa: E402
from gsm_bench.errors import GsmBenchError, NetworkError  # noqa: E402
from gsm_bench.featurefile import FeatureFile  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets.features import clip_mean, with_features  # noqa: E402
from gsm_bench.nets.registry import load_network  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.resume import open_run  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402


def compute(workspace, model="toy_4f", layers=("pool",), progress=lambda _: None, **options):
    """Run or resume features of a model; returns the outcome."""
    request = Request(model, layers=layers, clips=options.pop("clips", 1), **options)
    job, loaded = prepare(request, load_manifest(workspace), workspace)
    return run(open_run(job), loaded.network, progress)


def loaded(workspace, model):
    entry = load_manifest(workspace).model(model)
    return load_network(entry, workspace.checkpoint_path(entry.checkpoint.file), search=workspace.root).network.eval()


@pytest.mark.parametrize(("model", "classifier"), [("toy_4f", "fc"), ("toy_bninc", "new_fc")])
def test_the_classifier_on_the_features_gives_the_scores(workspace, gsmbench, model, classifier):
    make_clips(workspace, 5)
    make_checkpoint(workspace, model)
    assert gsmbench("score", "--model", model).status == 0
    ran = gsmbench("features", "--model", model, "--clips", 2)
    assert ran.status == 0
    assert ran.out.strip() == f"features/toy/val/{model}.h5"
    assert "computed features of 5 videos (0 already had features)" in ran.err
    linear = getattr(loaded(workspace, model), classifier)
    with FeatureFile.open(f"features/toy/val/{model}.h5") as file:
        features = file.features("pool")  # [N, V, F]
        assert file.head.provenance.model == model
        assert file.head.provenance.entry["classes"] == 5
        assert np.array_equal(file.video_means("pool"), features.mean(axis=1))
    scores = read(workspace.score_path("toy", "val", model)).scores["action"]
    assert features.shape == (5, 2, linear.in_features)
    ours = features @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    assert np.abs(ours - scores).max() < 1e-4 * max(1, scores.std())


@pytest.mark.parametrize(("backbone", "size"), [("bninception", 64), ("inceptionv3", 101)])
def test_blocks_are_means_over_maps_and_frames(backbone, size):
    """Against the outputs of the blocks, taken one by one from a network with its batch norms as they are."""
    from dataclasses import replace

    from gsm_bench.nets.segment import build_network
    from gsm_bench.workspace import Workspace

    torch.manual_seed(3)
    network = build_network(backbone, "gsm", 4, 5, width=0.125).eval()
    entry = replace(load_manifest(Workspace.locate(".")).model("bninc_8f"), frames=4)
    entry = replace(entry, input=replace(entry.input, size=size))
    names = network.base_model.BLOCK_NAMES
    features = with_features(network, [*names, "pool"], entry)
    clips = torch.randn(2, 4, 3, size, size)
    outputs = {}
    cat = torch.cat

    def recording(tensors, dim=0):  # every block ends in one concatenation of its branches
        out = cat(tensors, dim=dim)
        outputs[len(outputs)] = out
        return out

    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        ours = features.network(clips)
        patch.setattr(torch, "cat", recording)
        network(clips)
    blocks = [out for out in outputs.values() if len(out) == 8]
    if backbone == "inceptionv3":  # the last two blocks concatenate inside of two of their branches, too
        blocks = [*blocks[:-6], blocks[-4], blocks[-1]]
    assert len(blocks) == len(names)
    for name, out in zip(names, blocks, strict=True):
        mean = out.mean((2, 3)).view(2, 4, -1).mean(1)
        assert features.widths[name] == mean.shape[1]
        assert torch.allclose(ours[name], mean, atol=1e-5), name
    assert torch.equal(ours["pool"], ours[names[-1]])
    assert network.feature_layers == (), "the network that was given is as it was"


def test_an_interrupted_run_is_resumed(workspace):
    make_clips(workspace, 40)
    make_checkpoint(workspace)
    whole = compute(workspace, out=workspace.root / "whole.h5")

    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.done > 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        compute(workspace, progress=stop)
    resumed = compute(workspace)
    assert 16 <= resumed.reused < 40
    assert resumed.scored == 40 - resumed.reused
    one, other = (FeatureFile.open(path).features("pool") for path in (whole.path, resumed.path))
    assert np.array_equal(one, other)
    assert compute(workspace).scored == 0
    with pytest.raises(GsmBenchError, match=r"other settings(.|\n)*layers: there pool, now conv"):
        compute(workspace, layers=("conv",))
    assert set(FeatureFile.open(compute(workspace, layers=("conv", "pool"), fresh=True).path).layers) == {
        "conv",
        "pool",
    }


def test_a_bad_frame_leaves_the_video_out(workspace, gsmbench):
    make_clips(workspace, 4)
    make_checkpoint(workspace)
    for frame in (workspace.data / "toy/frames/v2").glob("*.jpg"):
        frame.write_bytes(b"no picture")
    ran = gsmbench("features", "--model", "toy_4f")
    assert ran.status == 3
    assert "1 video has no features" in ran.err
    with FeatureFile.open("features/toy/val/toy_4f.h5") as file:
        assert file.head.status.tolist() == [0, 0, 2, 0]
        assert np.isnan(file.features("pool")[2]).all()
        assert np.isfinite(file.features("pool")[[0, 1, 3]]).all()


def test_a_sample_is_spread_over_the_split_and_finds_its_labels(workspace, gsmbench):
    make_clips(workspace, 10)
    make_checkpoint(workspace)
    assert gsmbench("features", "--model", "toy_4f", "--sample", 4).status == 0
    file = FeatureFile.open("features/toy/val/toy_4f.sample-4.h5")
    assert list(file.ids) == ["v0", "v2", "v5", "v7"]
    assert file.head.provenance.sample == 4
    labels = Bench(workspace.root).labels()(file.head).labels["action"]
    assert labels.tolist() == [0, 2, 0, 2]
    assert gsmbench("features", "--model", "toy_4f", "--limit", 3).out.strip() == "features/toy/val/toy_4f.limit-3.h5"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "pol"], "no layer 'pol'; did you mean pool?"),
        (["--layers", "pool,pool"], "named twice"),
        (["--layers", "pool,"], "no name"),
        (["--limit", "1", "--sample", "1"], "one of --limit and --sample"),
        (["--out", "data"], "the feature file would be written over a directory"),
        (["--layers", "fc.weight"], "no layer 'fc.weight'"),
    ],
)
def test_wrong_options_are_named(workspace, gsmbench, arguments, message):
    make_clips(workspace, 2)
    make_checkpoint(workspace)
    ran = gsmbench("features", "--model", "toy_4f", *arguments)
    assert ran.status in (1, 2)
    assert message in ran.err
    assert not (workspace.root / "features").exists()


@pytest.mark.parametrize(
    ("shape", "mean"),
    [((6, 5), (2, 5)), ((2, 5), (2, 5)), ((6, 7, 5), (2, 5)), ((6, 5, 2, 3), (2, 5)), ((2, 5, 3, 2, 2), (2, 5))],
)
def test_outputs_of_layers_become_one_vector_per_clip(shape, mean):
    values = torch.randn(shape)
    assert clip_mean("x", values, 2).shape == mean
    assert torch.allclose(clip_mean("x", (values,), 2), clip_mean("x", values, 2))


@pytest.mark.parametrize("output", [None, "text", (), torch.zeros(3), torch.zeros(5, 4), torch.zeros(1, 2, 3, 4, 5, 6)])
def test_other_outputs_are_refused(output):
    with pytest.raises(NetworkError, match="layer x"):
        clip_mean("x", output, 2)


def damaged(path, how):
    """Change a feature file in one way."""
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
        return
    if how == "text":
        path.write_text("id,f0,f1\n")
        return
    if how == "empty":
        path.write_bytes(b"")
        return
    with edited_h5(path) as file:
        pool = file["features/pool"]
        if how == "nan":
            pool[1, 0, 0] = np.nan
        elif how == "kind":
            pool.attrs["kind"] = "logits"
        elif how == "version":
            file.attrs["version"] = 9
        elif how == "no ids":
            del file["video_ids"]
        elif how == "fewer rows":
            values = pool[:2]
            del file["features/pool"]
            file["features/pool"] = values
        elif how == "no features":
            del file["features"]
        elif how == "integers":
            values = pool[:].astype(int)
            del file["features/pool"]
            file["features/pool"] = values
            file["features/pool"].attrs["kind"] = "features"
        elif how == "link":
            del file["features/pool"]
            file["features/pool"] = h5py.ExternalLink("other.h5", "x")
        elif how == "provenance":
            file.attrs["provenance"] = json.dumps({"model": 3})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut short", "damaged"), ("text", "not HDF5"), ("empty", "not HDF5"), ("nan", "1 videos contain NaN"),
        ("kind", "unknown kind 'logits'"), ("version", "version 9, newer"), ("no ids", "damaged"),
        ("fewer rows", "damaged"), ("no features", "no features of layer 'pool'"), ("integers", "floating point"),
        ("link", "link to another place"), ("provenance", "provenance"),
    ],
)  # fmt: skip
def test_odd_files_end_in_one_message(workspace, how, message):
    make_clips(workspace, 3)
    make_checkpoint(workspace)
    path = compute(workspace).path
    damaged(path, how)
    with pytest.raises(GsmBenchError, match=message):
        FeatureFile.open(path).features("pool")


def test_feature_files_and_score_files_are_told_apart(workspace, gsmbench, save_scores):
    make_clips(workspace, 3)
    make_checkpoint(workspace)
    path = compute(workspace).path
    ran = gsmbench("evaluate", path)
    assert ran.status == 1
    assert "not a score file but a feature file" in ran.err
    scores = save_scores("a", np.zeros((3, 2, 5)))
    with pytest.raises(GsmBenchError, match="not a feature file but a score file"):
        FeatureFile.open(scores)
    with pytest.raises(GsmBenchError, match="no such feature file"):
        FeatureFile.open("nosuch.h5")
    with pytest.raises(GsmBenchError, match="no features of layer 'x', only of pool"):
        FeatureFile.open(path).features("x")
    assert "pool (3, 1, 8)" in repr(FeatureFile.open(path))
