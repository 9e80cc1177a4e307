"""`benchmarks/gpu.py` at toy sizes on a CPU, as on a bare machine: it runs, and judges what can be judged; never how fast."""

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.conftest import REFERENCE  # noqa: E402

SCRIPT = REFERENCE.parent.parent / "benchmarks" / "gpu.py"
BARE_RUN = Path(__file__).parent / "bare_run.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="benchmarks are not part of the sdist")
SECTIONS = {
    "pipeline": ["bninc_8f: JPEG to scores, resized by the device", "bninc_8f: against the plain loop, resized by the reader"],
    "ceilings": ["matrix product 128, bfloat16"],
    "networks": ["bninc_8f: bfloat16, 1 clips", "bninc_8f: bfloat16, 2 clips", "inv3_8f: float16, "],
    "agreement": ["bfloat16: same top-1 as float32", "float16: change of accuracy"],
    "released": ["bninc_8f: off the released logits, float32"],
    "resizing": ["resize: bytes are Pillow's", "resize 80x60 on the device, plain torch"],
    "profile": ["bninc_8f: gate convolutions, dense, 8 planes", "bninc_8f: gates", "bninc_8f: convolutions"],
    "memory": ["memory that does not hold a batch"],
}  # fmt: skip


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    before = list(sys.path)
    yield load(SCRIPT, "gpu_benchmark")
    sys.path[:] = before
    del sys.modules["gpu_benchmark"]


@pytest.fixture(scope="module")
def bare():
    yield load(SCRIPT.parent / "bare_machine.py", "bare_machine_tested")
    del sys.modules["bare_machine_tested"]


def test_whole_on_a_bare_machine(tmp_path):
    pytest.importorskip("torchvision")
    kept = tmp_path / "gpu.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-P", BARE_RUN, SCRIPT, "--device", "cpu", "--json", kept, "--seconds", "100000"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    found = json.loads(kept.read_text())
    rows = {row["what"]: row for row in found["rows"]}
    assert not [row for row in rows if "failed" in row], ran.stderr
    at = [ran.stdout.index(f"\n{section}: ") for section in SECTIONS]
    assert at == sorted(at), "the order of the sections"
    for expected in [row for figures in SECTIONS.values() for row in figures]:
        assert any(row.startswith(expected) for row in rows), expected
    exact = ("resize: bytes", "bninc_8f: off")
    assert {row: rows[row]["met"] for row in rows if row.startswith(exact)} == {
        "resize: bytes are Pillow's": True, "bninc_8f: off the released logits, float32": True,
    }  # fmt: skip
    assert "of the product" in rows["bninc_8f: bfloat16, 2 clips"]["beside"]
    assert rows["bninc_8f: bfloat16, 2 clips"]["met"] is None, "bars are for GPUs"
    assert {"msgspec", "isal", "simplejpeg", "safetensors"} == set(found["replaced"])
    assert found["versions"]["torch"] == torch.__version__
    assert "these are no figures" in ran.stdout


def test_a_section_that_fails_is_a_row_and_the_others_run(script, monkeypatch, capsys, tmp_path):
    def broken(_):
        """Breaks."""
        yield script.Row("before", 1.0, "")
        raise RuntimeError("no such device")

    def looks(_):
        """Looks at the figures so far."""
        yield script.Row("kept", len(json.loads(kept.read_text())["rows"]), "rows")

    kept = tmp_path / "a.json"
    monkeypatch.setattr(script, "SECTIONS", (broken, looks, script.memory))
    rows = script.main(["--device", "cpu", "--json", str(kept)])
    assert [(row.what, row.met) for row in rows] == [
        ("before", None), ("broken failed", False), ("kept", None), ("memory that does not hold a batch", None),
    ]  # fmt: skip
    assert rows[2].figure == 2, "written after each section"
    assert "no such device" in capsys.readouterr().err


def test_nothing_starts_when_the_time_is_over(script, monkeypatch):
    def endless(_):
        """Never ends."""
        while True:
            yield script.Row("one more", None, "")

    monkeypatch.setattr(script, "SECTIONS", (endless, script.memory))
    rows = script.main(["--device", "cpu", "--seconds", "0.05"])
    assert [row.what for row in rows if row.what != "one more"] == ["endless: not finished", "memory: not finished"]


def test_dense_gate_convolution_is_the_grouped_one(script):
    x, slices = torch.randn(2, 12, 5, 6), torch.randn(6, 6, 3, 3)
    grouped = torch.nn.functional.conv2d(x, slices, padding=1, groups=2)
    dense = torch.nn.functional.conv2d(x, script.dense_planes(slices), padding=1)
    assert dense.shape[1] == 8
    assert torch.allclose(dense[:, :6], grouped, atol=1e-5)
    assert not dense[:, 6:].any()


@dataclass(frozen=True)
class Inner:
    size: int
    rate: float = 1.0


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"]
    inner: tuple[Inner, ...]
    classes: Annotated[int, "bound"] | dict[str, int]
    note: str | None = None


def test_stand_in_for_msgspec(bare):
    raw = {"name": "n", "kind": "a", "inner": [{"size": 3, "rate": 2}], "classes": {"verb": 4}}
    found = bare.convert(raw, Outer)
    assert found == Outer("n", "a", (Inner(3, 2.0),), {"verb": 4})
    assert isinstance(found.inner[0].rate, float)
    for wrong in ({"kind": "c"}, {"name": 3}, {"inner": {"size": 3}}, {"classes": "many"}, {"inner": [{"rate": 1}]}):
        with pytest.raises(bare.ValidationError):
            bare.convert(raw | wrong, Outer)


def test_stand_ins_agree_with_the_packages(bare):
    simplejpeg = pytest.importorskip("simplejpeg")
    pytest.importorskip("torchvision")
    stand_in = bare.STAND_INS["simplejpeg"]()["simplejpeg"]
    for subsampling in ("420", "422", "444", "Gray"):
        picture = np.random.default_rng(0).integers(0, 256, (37, 53, 1 if subsampling == "Gray" else 3), np.uint8)
        space = "GRAY" if subsampling == "Gray" else "RGB"
        content = simplejpeg.encode_jpeg(picture, 90, space, *([] if subsampling == "Gray" else [subsampling]))
        assert stand_in["decode_jpeg_header"](content)[:3] == simplejpeg.decode_jpeg_header(content)[:3]
        assert np.array_equal(stand_in["decode_jpeg"](content), simplejpeg.decode_jpeg(content, "RGB"))
        with pytest.raises(ValueError):
            stand_in["decode_jpeg_header"](content[:10])
    assert bare.STAND_INS["isal"]()["isal"]["isal_zlib"] is zlib


def test_stand_in_for_safetensors(bare, tmp_path):
    torch_format = pytest.importorskip("safetensors.torch")
    weights = {"a": torch.randn(2, 3), "b": torch.arange(4), "c": torch.randn(3).bfloat16(), "d": torch.tensor(1.5)}
    torch_format.save_file(weights, tmp_path / "w.safetensors", {"made": "here"})
    with bare.SafeOpen(str(tmp_path / "w.safetensors")) as file:
        assert file.metadata() == {"made": "here"}
        assert {key: file.get_tensor(key).tolist() for key in file.keys()} == {  # noqa: SIM118
            key: values.tolist() for key, values in weights.items()
        }
