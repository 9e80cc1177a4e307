import io
import os
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from gsm_bench.errors import CheckpointError  # noqa: E402
from gsm_bench.nets import build_network, load_checkpoint  # noqa: E402
from gsm_bench.nets.checkpoint import compare_keys  # noqa: E402
from gsm_bench.nets.checkpoint_content import describe, read_checkpoint, stated_frames  # noqa: E402
from gsm_bench.nets.checkpoint_file import read_saved  # noqa: E402
from gsm_bench.nets.pickle_depth import refuse_deep_tuples  # noqa: E402


def small(**options):
    return build_network(
        **{"backbone": "bninception", "temporal": "gsm", "frames": 4, "classes": 5, "width": 0.125, **options}
    )


@pytest.fixture
def network():
    torch.manual_seed(1)
    return small()


def released(network, path, monkeypatch, **beside):
    """The released layout: torch's format from before 1.6, tensors tagged cuda:0, keys under ``module.``."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    saved = {"epoch": 60, "arch": "BNInception", "state_dict": state, "best_prec1": np.float64(47.24), **beside}
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    assert b"cuda:0" in path.read_bytes()
    assert not path.read_bytes().startswith(b"PK")


def equal(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_released_format(network, tmp_path, monkeypatch):
    released(network, tmp_path / "a.pth.tar", monkeypatch)
    target = small()
    assert not equal(target, network)
    beside = load_checkpoint(target, tmp_path / "a.pth.tar")
    assert equal(target, network)
    assert beside == {"epoch": 60, "arch": "BNInception", "best_prec1": 47.24}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "wrapper.net."])
def test_wrapper_prefixes_are_recognised(network, tmp_path, prefix):
    torch.save({prefix + key: value for key, value in network.state_dict().items()}, tmp_path / "a.pt")
    target = small()
    load_checkpoint(target, tmp_path / "a.pt")
    assert equal(target, network)
    assert compare_keys(target, read_checkpoint(tmp_path / "a.pt")).prefix == prefix


def test_safetensors_in_half_precision(network, tmp_path):
    half = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    save_file(half, tmp_path / "a.safetensors", metadata={"epoch": "3"})
    target = small()
    assert load_checkpoint(target, tmp_path / "a.safetensors") == {"epoch": "3"}
    key = "base_model.conv1_7x7_s2.weight"
    assert torch.equal(target.state_dict()[key], half[key].float())


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_by_name_and_not_run(network, tmp_path, zipped):
    marker = tmp_path / "it ran"
    torch.save(
        {"state_dict": network.state_dict(), "x": Attack(marker)},
        tmp_path / "a.pt",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(CheckpointError, match=r"mkdir.*code and not weights"):
        load_checkpoint(small(), tmp_path / "a.pt")
    assert not marker.exists()


def test_plain_pickle_with_code(tmp_path):
    marker = tmp_path / "it ran"
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Attack(marker)))
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "a.pt")
    assert not marker.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_truncated(network, tmp_path, zipped, share):
    path = tmp_path / "a.pt"
    torch.save({"state_dict": network.state_dict()}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a checkpoint"),
        (b"hello world", "not a checkpoint"),
        (b"\xff\xd8\xff\xe0 a picture", "not a checkpoint"),
        (b"<!DOCTYPE html><html>Google Drive - Virus scan warning", "web page"),
    ],
)
def test_wrong_files(tmp_path, content, message):
    (tmp_path / "a.pth.tar").write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        read_checkpoint(tmp_path / "a.pth.tar")
    assert "a.pth.tar" in str(raised.value)


def test_truncated_safetensors(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 3}, {"state_dict": {"a": 1}}, 7])
def test_no_weights_inside(tmp_path, saved):
    torch.save(saved, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"no weights|not a dict"):
        read_checkpoint(tmp_path / "a.pt")


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(small(), tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"backbone": "inceptionv3"}, "InceptionV3"),
        ({"temporal": "none"}, "TSN BN-Inception"),
        ({"classes": 6}, "6 classes"),
        ({"gsm_blocks": 5}, "with 5 gate-shift modules"),
    ],
)
def test_file_of_another_network_leaves_the_weights_alone(network, tmp_path, other, message):
    torch.save({"state_dict": small(**other).state_dict()}, tmp_path / "a.pt")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(network, tmp_path / "a.pt")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_ignored_keys_are_counted(network, tmp_path):
    state = network.state_dict()
    del state["new_fc.bias"]
    state["optimizer.step"] = torch.zeros(1)
    torch.save({"state_dict": state}, tmp_path / "a.pt")
    with pytest.raises(
        CheckpointError, match=r"1 missing \(first: new_fc.bias\), 1 unexpected \(first: optimizer.step\)"
    ):
        load_checkpoint(small(), tmp_path / "a.pt")
    load_checkpoint(small(), tmp_path / "a.pt", ignore_keys=["new_fc.bias", "optimizer.*"])
    found = compare_keys(network, read_checkpoint(tmp_path / "a.pt"), ["new_fc.bias", "optimizer.*"])
    assert found.ignored == ("new_fc.bias", "optimizer.step")
    assert found.complete


def test_description(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "a.pt")
    assert describe(read_checkpoint(tmp_path / "a.pt")) == "GSM BN-Inception with 10 gate-shift modules, 5 classes"


@pytest.mark.parametrize(
    ("name", "beside", "frames"),
    [
        ("a.pt", {}, None),
        ("a.pt", {"frames": 8}, 8),
        ("a.pt", {"num_segments": "16"}, 16),
        ("x_segment12_checkpoint.pth.tar", {}, 12),
        ("a.pt", {"frames": "many"}, None),
    ],
)
def test_frames_that_a_file_states(tmp_path, name, beside, frames):
    torch.save({"state_dict": {"w": torch.zeros(1)}, **beside}, tmp_path / name)
    assert stated_frames(read_checkpoint(tmp_path / name)) == frames


@pytest.mark.parametrize("name", ["hash_bomb", "hash_bomb_as_a_parameter", "hash_bomb_as_a_size"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_key_whose_hash_takes_years_is_refused(tmp_path, name, zipped):
    from tests.importers.hostile import FILES
    from tests.importers.hostile import zipped as in_a_zip

    content, _ = FILES[name]
    path = tmp_path / "net.pth"
    path.write_bytes(in_a_zip({"net/data.pkl": content}) if zipped else content)
    with pytest.raises(ValueError, match="nested more than 20 deep"):
        refuse_deep_tuples(io.BytesIO(content))
    with pytest.raises(CheckpointError, match="damaged"):
        read_saved(path)


def test_deep_lists_and_dicts_of_training_code_are_read(tmp_path):
    value = {"a": 1}
    for _ in range(30):
        value = {"args": [value]}
    torch.save(
        {"state_dict": {"w": torch.ones(2, 3)}, "config": value, "shape": (1, (2, (3, (4,))))}, tmp_path / "net.pth"
    )
    assert read_saved(tmp_path / "net.pth")["shape"] == (1, (2, (3, (4,))))
