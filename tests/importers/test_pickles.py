"""The safe reader gives what the standard one gives, for all that score dumps are made of."""

import io
import pickle

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import read_source
from gsm_bench.importers.pickles import load

ARRAYS = [
    np.arange(12).astype(kind).reshape(3, 4)
    for kind in ("f2", "f4", ">f4", "f8", "i1", "i4", "i8", ">i8", "u1", "bool")
] + [
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.array(["P01_1", "P02_10"]),
    np.array([b"a", b"bc"]),
    np.zeros((0, 5), np.float32),
    np.float32(2.5),
    np.int64(7),
    np.array(3.5),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_arrays_of_every_protocol(array, protocol):
    data = pickle.dumps({"x": [array, array]}, protocol)
    content = load(data, "dump")["x"]
    assert np.array_equal(content[0], array)
    assert content[0].dtype == pickle.loads(data)["x"][0].dtype
    assert content[1] is content[0] or np.isscalar(content[0]) or content[0].ndim == 0


@pytest.mark.parametrize("protocol", range(6))
def test_plain_containers(protocol):
    value = {"a": [1, -2, 2**70, 1.5, True, None], "b": ("text", "é", b"\xff\x00"), ("k", 1): {}, 3: [[[]]], "e": ()}
    assert load(pickle.dumps(value, protocol), "dump") == value


def test_names_of_old_numpy_and_python_2():
    data = pickle.dumps(np.arange(3.0, dtype="f4"), 2).replace(b"numpy._core.", b"numpy.core.")
    assert load(data, "dump").tolist() == [0, 1, 2]
    text = b"\x00\x00\x80?\x00\x00\x00@"  # what Python 2 wrote: raw bytes as a str
    old = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\n"
        b"U\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08" + text + b"tb."
    )
    assert load(old, "dump").tolist() == pickle.loads(old, encoding="latin1").tolist() == [1, 2]


def test_deep_but_honest_containers():
    value = leaf = []
    for _ in range(10):
        leaf.append([])
        leaf = leaf[0]
    assert load(pickle.dumps(value), "dump") == value


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def tensors(torch):
    base = torch.arange(24.0).reshape(4, 6)
    return [
        base, base.t(), base[1], base[:, 2], base[1:3, 2:4], torch.tensor(5), torch.tensor([3]), torch.tensor(2.5),
        base.half(), base.double(), base.bfloat16(), base.int(), base.bool(), torch.zeros(0, 3), base[::2, ::3],
        torch.nn.Parameter(base.clone()),
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["pickle 2", "pickle 4", "pickle 5", "old", "zip"])
def test_tensors_of_every_file_format(torch, way, tmp_path):
    expected = tensors(torch)
    path = tmp_path / "x"
    value = {"list": expected, "again": expected[0]}
    if way.startswith("pickle"):
        path.write_bytes(pickle.dumps(value, int(way[-1])))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=way == "zip")
    source = read_source(path)
    assert source.container == ("pickle" if way.startswith("pickle") else "torch")
    for content, tensor in zip(source.value["list"], expected, strict=True):
        assert isinstance(content, np.ndarray)
        plain = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
        assert content.shape == tuple(tensor.shape)
        assert np.array_equal(content, plain.numpy())


@pytest.mark.parametrize("zipped", [False, True])
def test_torch_files_that_hold_numpy_arrays(torch, zipped, tmp_path):
    value = {"verb_output": np.ones((2, 3), "f4"), "narration_id": np.array(["a", "b"]), "n": np.float64(2)}
    torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    content = read_source(tmp_path / "x.pt").value
    assert np.array_equal(content["verb_output"], value["verb_output"])
    assert content["narration_id"].tolist() == ["a", "b"]
    assert float(content["n"]) == 2


def test_big_endian_machines_and_strange_storages_are_refused(torch):
    out = io.BytesIO()
    torch.save(torch.ones(3), out, _use_new_zipfile_serialization=False)
    swapped = out.getvalue().replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
    assert swapped != out.getvalue()
    from gsm_bench.importers.pickles import load_old_torch

    with pytest.raises(DumpError, match="little-endian"):
        load_old_torch(swapped, "dump")
    complex_numbers = pickle.dumps(torch.ones(3, dtype=torch.complex64))
    with pytest.raises(DumpError, match="ComplexFloatStorage"):
        load(complex_numbers, "dump")


def test_expanded_tensors_are_refused_by_size(torch):
    with pytest.raises(DumpError, match="4 x 1000 is larger than its storage of 4 values"):
        load(pickle.dumps(torch.ones(4, 1).expand(4, 1000)), "dump")
