"""`benchmarks/gpu.py` at toy sizes on a CPU: every section runs, and judges what can be judged; never how fast."""

import importlib.util
import json
import sys

import pytest

torch = pytest.importorskip("torch")

from tests.conftest import REFERENCE  # noqa: E402

SCRIPT = REFERENCE.parent.parent / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.exists():
        pytest.skip("benchmarks are not part of the sdist")
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_benchmark"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["gpu_benchmark"]


@pytest.mark.parametrize(
    ("sections", "figures"),
    [
        (["ceilings", "networks"], ["matrix product 128, bfloat16", "bninc_8f: bfloat16", "inv3_8f: float16"]),
        (["profile", "memory"], ["bninc_8f: gates", "inv3_8f: convolutions", "memory that does not hold a batch"]),
        (
            ["resizing", "released"],
            [
                "bninc_8f: off the released logits, float32",
                "resize: bytes are Pillow's",
                "resize 320x240 on the device, plain torch",
            ],
        ),
        (["precision"], ["bfloat16: same top-1 as float32", "float16: change of accuracy"]),
        (
            ["pipeline"],
            [
                "bninc_8f: JPEG to scores, resized by the device",
                "inv3_8f: against the plain loop, resized by the device",
            ],
        ),
    ],
)
def test_every_section_runs(script, tmp_path, capsys, sections, figures):
    rows = {row.what: row for row in script.main([*sections, "--device", "cpu", "--json", str(tmp_path / "gpu.json")])}
    said = capsys.readouterr()
    assert "failed" not in " ".join(rows), said.err
    assert set(figures) <= set(rows)
    assert all(row.met is not False for row in rows.values() if row.what.startswith(("resize: bytes", "bninc_8f: off")))
    kept = json.loads((tmp_path / "gpu.json").read_text())
    assert [row["what"] for row in kept["rows"]] == list(rows)
    assert "these are no figures" in said.out
    if "networks" in sections:
        assert "of the product" in rows["bninc_8f: bfloat16"].beside
        assert rows["bninc_8f: bfloat16"].met is None, "bars are for GPUs"


def test_a_section_that_fails_is_a_row_and_the_others_run(script, monkeypatch, capsys):
    def broken(_):
        """Breaks."""
        raise RuntimeError("no such device")
        yield

    monkeypatch.setattr(script, "SECTIONS", (broken, script.memory))
    rows = script.main(["--device", "cpu"])
    assert [(row.what, row.met) for row in rows] == [
        ("broken failed", False), ("memory that does not hold a batch", None),
    ]  # fmt: skip
    assert "no such device" in capsys.readouterr().err
