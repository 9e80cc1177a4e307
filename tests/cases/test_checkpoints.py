"""Checkpoints as training scripts of the field write them: the right weights, or one message that says what this is."""

from __future__ import annotations

import argparse
import collections
import datetime
import pathlib
import pickle
import random
import re
import tarfile
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.cases.toy import local, make_videos, network, one_message, read_scores, save_weights  # noqa: E402
from tests.conftest import TOY_NETWORK  # noqa: E402

OTHER = '[models.other]\nlike = "toy_4f"\n'


@pytest.fixture
def loaded(workspace, gsmbench):
    """Score with a checkpoint of another form; `saved` is written with torch.save, a callable writes it itself."""
    make_videos(workspace, [6, 9])
    save_weights(workspace)
    assert gsmbench("score", "--model", "toy_4f", "--quiet", "--out", "right.h5").status == 0

    def score(saved, entry=OTHER, name="other.pth"):
        path = workspace.root / "checkpoints" / name
        if callable(saved):
            saved(path)
        else:
            torch.save(saved, path)
        line = f'checkpoint = {{ file = "{name}" }}\n'
        local(workspace, entry if "checkpoint" in entry else entry.replace("\n", f"\n{line}", 1))
        ran = gsmbench("score", "--model", "other", "--quiet", "--out", "other.h5")
        path = workspace.root / "other.h5"
        return ran, read_scores(path) if path.exists() else None

    return score


def check_right(ran, found):
    assert ran.status == 0, ran.err
    assert "Traceback" not in ran.err
    assert np.array_equal(found.action, read_scores("right.h5").action)


def weights(prefix="", **others):
    """The right weights; in order, as torch has them."""
    return collections.OrderedDict({prefix + key: value for key, value in network().state_dict().items()} | others)


# Where the weights are.


@pytest.mark.parametrize(
    "key", ["state_dict", "model_state", "model", "module", "model_state_dict", "net", "weights", "network", "model_dict", "params",
            "net_state_dict", "model_weights", "net_dict", "state", "backbone_state_dict"],
)  # fmt: skip
def test_weights_under_any_usual_key(loaded, key):
    check_right(*loaded({"epoch": 3, key: weights(), "lr": 0.1}))


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("checkpoint", "state_dict"), ("model", "state_dict"), ("state", "model"), ("state_dict", "model")],
)
def test_weights_nested_once(loaded, outer, inner):
    check_right(*loaded({"epoch": 3, outer: {"epoch": 3, inner: weights()}}))


def test_the_optimizer_is_not_taken_for_the_weights(loaded):
    net = network()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.zeros(1, 4, 3, 32, 32)).sum().backward()
    optimizer.step()
    check_right(
        *loaded({"optimizer": optimizer.state_dict(), "optimizer_states": [weights()], "model_state_dict": weights()})
    )


# What is written before the keys, and what stands beside them.


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "net.", "model.", "module.model.", "_orig_mod.module.", "backbone.net.", "model._orig_mod.",
               "_fsdp_wrapped_module.", "encoder.", "module.module."],
)  # fmt: skip
def test_a_prefix_on_all_keys(loaded, prefix):
    check_right(*loaded({"state_dict": weights(prefix)}))


@pytest.mark.parametrize("prefix", ["module.", "net.", "model.", "_orig_mod."])
def test_a_prefix_on_some_keys(loaded, prefix):
    some = {(prefix if key.startswith("conv") else "") + key: value for key, value in weights().items()}
    check_right(*loaded({"state_dict": some}))


@pytest.mark.parametrize("middle", ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_a_wrapper_in_the_middle_of_keys(loaded, middle):
    inside = {
        key.replace("conv.", f"conv.{middle}.").replace("fc.", f"fc.{middle}."): value
        for key, value in weights().items()
    }
    check_right(*loaded({"state_dict": inside}))


def test_one_wrapper_before_and_one_inside(loaded):
    inside = {f"module.{key}".replace("conv.", "conv.module."): value for key, value in weights().items()}
    check_right(*loaded({"state_dict": inside}))


WRAPPED = (
    TOY_NETWORK
    + """

class Wrapper(torch.nn.Module):
    def __init__(self, entry):
        super().__init__()
        self.NAME = ToyNetwork(entry.frames, entry.tasks["action"])

    def forward(self, x):
        return self.NAME(x)


def wrapped(entry):
    return Wrapper(entry)
"""
)


@pytest.mark.parametrize("name", ["net", "model", "module", "backbone"])
@pytest.mark.parametrize("outer", ["", "module."])
def test_exact_keys_come_before_any_prefix_is_dropped(workspace, loaded, name, outer):
    (workspace.root / f"wrapped_{name}.py").write_text(WRAPPED.replace("NAME", name))
    entry = f'{OTHER}network = "wrapped_{name}:wrapped"\n'
    check_right(*loaded({"state_dict": weights(f"{outer}{name}.")}, entry))


BESIDE = {
    "criterion": {"criterion.weight": torch.ones(5)},
    "loss function": {"loss_fn.weight": torch.ones(5), "loss_fn.pos_weight": torch.ones(5)},
    "counter": {"train_acc.correct": torch.tensor(3), "train_acc.total": torch.tensor(9)},
    "thop": {f"{name}total_{what}": torch.tensor([1.0]) for name in ("", "conv.") for what in ("ops", "params")},
    "lightning": {"model.criterion.weight": torch.ones(5)},
    "averaged": {"n_averaged": torch.tensor(4)},
}  # fmt: skip


@pytest.mark.parametrize("what", list(BESIDE))
def test_keys_of_a_criterion_or_a_counter_are_left_out_and_said(loaded, what):
    prefix = {"lightning": "model.", "averaged": "module."}.get(what, "")
    ran, found = loaded({"state_dict": weights(prefix) | BESIDE[what]})
    check_right(ran, found)
    assert next(iter(BESIDE[what])).rpartition(".")[2] in ran.err, "what was left out is not said"


def test_a_key_that_could_be_the_networks_is_not_left_out(loaded):
    """A second classifier is no counter."""
    ran, found = loaded({"state_dict": weights() | {"fc2.weight": torch.ones(5, 8)}})
    assert "fc2.weight" in one_message(ran)
    assert found is None


NORMED = """
import torch


class Normed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)
        self.fc = torch.nn.Linear(3, 5)

    def forward(self, x):
        return self.fc(self.norm(x.flatten(0, 1)).mean((2, 3)).view(*x.shape[:2], 3).mean(1))


def build(entry):
    return Normed()
"""


def test_weights_without_num_batches_tracked(workspace, loaded):
    """As torch wrote them before 0.4.1."""
    (workspace.root / "normed.py").write_text(NORMED)
    old = {
        "norm.weight": torch.ones(3),
        "norm.bias": torch.zeros(3),
        "norm.running_mean": torch.zeros(3),
        "norm.running_var": torch.ones(3),
    }
    old |= {"fc.weight": torch.arange(15.0).view(5, 3), "fc.bias": torch.zeros(5)}
    ran, found = loaded({"state_dict": old}, OTHER + 'network = "normed:build"\n')
    assert ran.status == 0, ran.err
    assert np.isfinite(found.action).all()


# Types.

TYPES = {
    "float64": lambda tensor: tensor.double(),
    "parameter": lambda tensor: torch.nn.Parameter(tensor),
    "channels last": lambda tensor: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor,
    "not contiguous": lambda tensor: tensor.t().contiguous().t() if tensor.ndim == 2 else tensor,
}


@pytest.mark.parametrize("kind", list(TYPES))
def test_weights_of_other_types(loaded, kind):
    check_right(*loaded({"state_dict": {key: TYPES[kind](value) for key, value in weights().items()}}))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision(loaded, kind):
    ran, found = loaded({"state_dict": {key: value.to(kind) for key, value in weights().items()}})
    assert ran.status == 0, ran.err
    assert np.abs(found.action - read_scores("right.h5").action).max() < 0.1


def test_the_old_format(loaded):
    check_right(*loaded(lambda path: torch.save({"state_dict": weights()}, path, _use_new_zipfile_serialization=False)))


# Values beside the weights: what torch does not read, or what is code.


def rewritten(path, replace):
    """Change the pickle of a file that torch.save wrote, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, replace(content) if name.endswith("data.pkl") else content)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_numpy_scalars_of_numpy_1_and_2(loaded, module):
    def save(path):
        saved = {"state_dict": weights(), "best_prec1": np.float64(49.5), "best": np.float32(1.5), "epoch": np.int64(3)}
        torch.save(saved, path)
        rewritten(path, lambda content: re.sub(rb"numpy\._?core\.multiarray", module, content))

    check_right(*loaded(save))


class Odd:
    """A class of a training script, which is not here when the file is read."""

    def __init__(self):
        self.value = 3


HARMLESS = {
    "namespace": argparse.Namespace(lr=0.1, dataset="toy", frames=4),
    "path": pathlib.PurePosixPath("/data/toy"),
    "date": datetime.datetime(2026, 1, 2, 3, 4),
    "day": datetime.date(2026, 1, 2),
    "duration": datetime.timedelta(hours=3),
    "array": np.arange(5.0),
    "defaultdict": collections.defaultdict(list, loss=[0.1]),
    "counter": collections.Counter(a=1),
    "set": {1, 2},
    "random state": {"numpy": np.random.RandomState(0).get_state(), "python": random.Random(0).getstate(), "torch": torch.get_rng_state()},
    "size": torch.Size([1, 2]),
    "slice": slice(0, 3),
    "odd class": Odd(),
    "function": np.mean,
}  # fmt: skip


@pytest.mark.parametrize("what", list(HARMLESS))
def test_what_stands_beside_the_weights_does_no_harm(loaded, what):
    ran, found = loaded({"state_dict": weights(), "args": HARMLESS[what]})
    check_right(ran, found)


@pytest.mark.parametrize("what", ["namespace", "path", "date", "odd class"])
def test_what_was_skipped_is_said(workspace, loaded, gsmbench, what):
    loaded({"state_dict": weights(), "args": HARMLESS[what]})
    ran = gsmbench("models", "check", "other")
    assert ran.status == 0, ran.err
    assert "args" in ran.out + ran.err
    assert re.search("Namespace|Path|date|Odd", ran.out + ran.err)


@pytest.mark.parametrize("protocol", [2, 4])
def test_values_are_skipped_in_the_old_format_too(loaded, protocol):
    def save(path):
        saved = {"state_dict": weights(), "args": argparse.Namespace(lr=0.1), "best": np.float64(3.0)}
        torch.save(saved, path, _use_new_zipfile_serialization=False, pickle_protocol=protocol)

    check_right(*loaded(save))


class Hostile:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("ran"),)


def test_code_beside_the_weights_is_never_run(workspace, loaded):
    loaded({"state_dict": weights(), "args": Hostile()})
    assert not (workspace.root / "ran").exists()


def test_code_in_place_of_a_weight_is_refused(workspace, loaded):
    ran, found = loaded({"state_dict": weights() | {"fc.bias": Hostile()}})
    one_message(ran)
    assert found is None
    assert not (workspace.root / "ran").exists()


# Several sets of weights in one file.


def scaled(by):
    return {key: value * by for key, value in network().state_dict().items()}


@pytest.mark.parametrize(
    "other",
    [
        "state_dict_ema",
        "model_ema",
        "ema",
        "ema_state_dict",
        "ema_model",
        "averaged_model",
        "model_ema_state_dict",
        "swa_model",
    ],
)
def test_averaged_weights_beside_plain_ones_are_named(loaded, other):
    ran, _ = loaded({"state_dict": scaled(1), other: scaled(0.5)})
    assert other in ran.out + ran.err, "the file holds two sets of weights, and one was taken in silence"
    assert "state_dict" in ran.out + ran.err


@pytest.mark.parametrize("pair", [("student", "teacher"), ("model", "state_dict"), ("net", "net_ema"), ("rgb", "flow")])
def test_two_sets_of_weights_are_named(loaded, pair):
    ran, _ = loaded({pair[0]: scaled(1), pair[1]: scaled(0.5)})
    assert all(name in ran.out + ran.err for name in pair)


@pytest.mark.parametrize(("chosen", "by"), [("state_dict", 1), ("state_dict_ema", 0.5)])
def test_the_user_chooses_the_weights(loaded, chosen, by):
    """By the entry: checkpoint.weights names the key."""
    entry = OTHER + f'checkpoint = {{ file = "other.pth", weights = "{chosen}" }}\n'
    ran, found = loaded({"state_dict": scaled(1), "state_dict_ema": scaled(0.5)}, entry)
    assert ran.status == 0, ran.err
    assert np.array_equal(found.action, read_scores("right.h5").action) == (by == 1)


def test_models_check_names_both_sets(loaded, gsmbench):
    loaded({"state_dict": scaled(1), "state_dict_ema": scaled(0.5)})
    ran = gsmbench("models", "check", "other")
    assert "state_dict_ema" in ran.out + ran.err


# Damage.


def spoilt(path, member=r"data/\d+$"):
    """Flip a bit in a stored tensor; the checksum in the archive stays that of the sound one."""
    with zipfile.ZipFile(path) as archive:
        info = max(
            (each for each in archive.infolist() if re.search(member, each.filename)), key=lambda each: each.file_size
        )
        sound = archive.read(info)
    content = bytearray(path.read_bytes())
    at = bytes(content).index(sound) + len(sound) // 2
    content[at] ^= 0x41
    path.write_bytes(content)


@pytest.mark.parametrize("flavour", ["new", "nested", "bare"])
def test_a_wrong_checksum_is_refused(loaded, flavour):
    saved = {"new": {"state_dict": weights()}, "nested": {"model": {"state_dict": weights()}}, "bare": weights()}[
        flavour
    ]

    def save(path):
        torch.save(saved, path)
        spoilt(path)

    ran, found = loaded(save)
    assert re.search("damaged|checksum", one_message(ran))
    assert found is None


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("new", [True, False])
def test_a_file_cut_short_is_refused(loaded, share, new):
    def save(path):
        torch.save({"state_dict": weights()}, path, _use_new_zipfile_serialization=new)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    ran, found = loaded(save)
    one_message(ran)
    assert found is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["conv.weight", "fc.bias"])
def test_weights_that_are_no_numbers_are_said_once(loaded, value, key):
    broken = weights()
    broken[key] = broken[key].clone()
    broken[key].view(-1)[0] = value
    ran, _ = loaded({"state_dict": broken})
    assert ran.status != 0
    assert key in ran.err, "the weights are to blame, not the videos"
    assert "on-bad-frame" not in ran.err
    assert ran.err.count("finite") + ran.err.lower().count("nan") <= 2


# Files that are something else.


def as_script(path):
    torch.jit.save(torch.jit.trace(network().eval(), torch.zeros(1, 4, 3, 32, 32)), str(path))


def as_zipped(path):
    inner = path.with_name("inner.pth")
    torch.save({"state_dict": weights()}, inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "checkpoints/inner.pth")


def as_tarred(path):
    inner = path.with_name("inner.pth")
    torch.save({"state_dict": weights()}, inner)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(inner, "checkpoints/inner.pth")


def as_gzipped(path):
    import gzip

    torch.save({"state_dict": weights()}, path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def as_npz(path):
    with path.open("wb") as file:
        np.savez(file, **{key: value.numpy() for key, value in weights().items()})


def as_onnx(path):
    path.write_bytes(b"\x08\x08\x12\x07pytorch" + bytes(900))


def as_keras(path):
    import h5py

    with h5py.File(path, "w") as file:
        file["model_weights/conv/kernel"] = np.zeros((3, 3))


def as_lfs(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1234\n")


OTHERS = {
    "TorchScript": as_script, "inner.pth": as_zipped, "tar|gzip": as_tarred, "gzip": as_gzipped, "npz|NumPy|numpy": as_npz,
    "ONNX|onnx|not a checkpoint": as_onnx, "HDF5|Keras": as_keras, "LFS|lfs": as_lfs,
}  # fmt: skip


@pytest.mark.parametrize("what", list(OTHERS))
def test_other_files_are_called_by_their_names(loaded, what):
    ran, found = loaded(OTHERS[what])
    assert re.search(what, one_message(ran)), ran.err
    assert found is None


def test_a_whole_module_is_named(loaded):
    """torch.save(net): code, of which the weights cannot be had without running it."""
    ran, found = loaded(lambda path: torch.save(torch.nn.Sequential(torch.nn.Linear(2, 3)), path))
    said = one_message(ran)
    assert "Sequential" in said and "state_dict" in said
    assert found is None


def test_a_plain_pickle_of_arrays_is_named(loaded):
    arrays = {key: value.numpy() for key, value in weights().items()}
    ran, _ = loaded(lambda path: path.write_bytes(pickle.dumps({"state_dict": arrays})))
    one_message(ran)


# Networks of the user's own.

OWN = (
    TOY_NETWORK
    + """

class Own(ToyNetwork):
    def forward(self, x):
        logits = super().forward(x)
        return RETURNED


def own(entry):
    return Own(entry.frames, entry.tasks["action"])
"""
)

GIVES = {
    "logits": '{"logits": logits}',
    "loss-and-logits": '{"loss": None, "logits": logits}',
    "logits-and-features": '{"logits": logits, "features": x.mean((2, 3, 4))}',
    "output": "__import__('types').SimpleNamespace(logits=logits, loss=None)",
}
DOUBTFUL = {
    "tuple": "logits, x.mean((1, 2, 3, 4))",
    "tuple-of-two": "logits, logits * 2",
    "list": "[logits]",
    "none": "None",
    "too-many-axes": "logits[:, None]",
    "one-axis": "logits[0]",
    "half": "logits[:1]",
    "text": "'scores'",
    "numpy": "logits.numpy()",
}


def own(workspace, loaded, returned):
    name = f"own_{abs(hash(returned))}"
    (workspace.root / f"{name}.py").write_text(OWN.replace("RETURNED", returned))
    return loaded({"state_dict": weights()}, OTHER + f'network = "{name}:own"\n')


@pytest.mark.parametrize("what", list(GIVES))
def test_a_network_may_return_logits_by_name(workspace, loaded, what):
    check_right(*own(workspace, loaded, GIVES[what]))


@pytest.mark.parametrize("what", list(DOUBTFUL))
def test_what_else_a_network_returns_is_one_message(workspace, loaded, what):
    ran, found = own(workspace, loaded, DOUBTFUL[what])
    if ran.status == 0:
        check_right(ran, found)
    else:
        assert re.search("return|answer", one_message(ran))
        assert found is None
        assert "`classes`" not in ran.err or what in ("too-many-axes", "one-axis", "half"), "classes are right"


# gsmbench models.


def test_models_check_does_not_contradict_itself(workspace, gsmbench):
    """Weights of a network with any number of frames: the file says 8, the entry 4."""
    from gsm_bench.nets import build_network

    (workspace.root / "checkpoints").mkdir()
    net = build_network("bninception", frames=4, classes=5, width=0.125)
    torch.save({"state_dict": net.state_dict(), "frames": 8}, workspace.root / "checkpoints" / "x.pth")
    ran = gsmbench("models", "check", "toy_bninc", "--file", "checkpoints/x.pth")
    assert "frames = 8" in ran.out
    assert re.search(
        r"does NOT fit|8 frames.*4|4 frames.*8|frames.*8.*entry.*4",
        ran.out.replace("frames = 8", "") + ran.err,
        re.DOTALL,
    )


@pytest.mark.parametrize("key", ["frames", "num_segments", "num_frames", "n_frames"])
def test_models_check_hears_other_words_for_frames(workspace, gsmbench, key):
    from gsm_bench.nets import build_network

    (workspace.root / "checkpoints").mkdir()
    net = build_network("bninception", frames=4, classes=5, width=0.125)
    saved = {"state_dict": net.state_dict(), "args": {key: 8}}
    torch.save(saved, workspace.root / "checkpoints" / "x.pth")
    ran = gsmbench("models", "check", "toy_bninc", "--file", "checkpoints/x.pth")
    assert re.search(r"\b8\b", ran.out.split("sha256")[0] + ran.err)


def test_models_check_is_content_where_they_agree(workspace, loaded, gsmbench):
    loaded({"state_dict": weights(), "frames": 4})
    ran = gsmbench("models", "check", "other")
    assert ran.status == 0
    assert "fits other" in ran.out and "NOT" not in ran.out


def test_models_add_refuses_a_missing_checkpoint(workspace, gsmbench):
    ran = gsmbench("models", "add", "mine", "--like", "toy_4f", "--checkpoint", "not-there.pth")
    assert "not-there.pth" in one_message(ran)
    assert not (workspace.root / "manifests" / "local.toml").exists()


def test_models_add_takes_a_checkpoint_by_path_and_by_name(workspace, gsmbench):
    save_weights(workspace)
    assert gsmbench("models", "add", "one", "--like", "toy_4f", "--checkpoint", "toy.safetensors").status == 0
    assert (
        gsmbench("models", "add", "two", "--like", "toy_4f", "--checkpoint", "checkpoints/toy.safetensors").status == 0
    )


@pytest.mark.parametrize(
    "options",
    [("--dataset", "something-v1"), ("--classes", "7"), ("--set", 'class_order="alphabetical"'), ("--dataset", "nowhere"), ("--split", "nowhere"),
     ("--dataset", "diving48-v1")],
)  # fmt: skip
def test_models_add_refuses_what_score_refuses(workspace, gsmbench, options):
    save_weights(workspace)
    ran = gsmbench("models", "add", "mine", "--like", "toy_4f", "--checkpoint", "toy.safetensors", *options)
    one_message(ran)
    assert not (workspace.root / "manifests" / "local.toml").exists()


def test_models_cost_lists_true_operators_only(workspace, gsmbench):
    ran = gsmbench("models", "cost", "toy_bninc")
    assert ran.status == 0, ran.err
    note = ran.out.replace("\n", " ").partition("Counted in neither")[2]
    assert note
    assert "promote_types" not in note, "this is no arithmetic"
    assert not re.search(r"\bmean\b(?! over| other)", note), "pooling's mean is counted"


@pytest.mark.parametrize("name", ["bninc_8f", "tsn_bninc_8f"])
def test_models_cost_of_shipped_models(workspace, gsmbench, name):
    ran = gsmbench("models", "cost", name)
    note = ran.out.replace("\n", " ").partition("Counted in neither")[2]
    assert "promote_types" not in note
    assert not re.search(r"\bmean\b(?! over| other)", note)


def test_advice_for_a_missing_checkpoint_helps(workspace, gsmbench):
    make_videos(workspace, [6])
    said = one_message(gsmbench("score", "--model", "toy_4f", "--quiet"))
    assert "toy.safetensors" in said and "on-bad-frame" not in said
