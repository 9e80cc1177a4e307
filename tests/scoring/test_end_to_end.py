"""From JPEG folder through the command line to the score file, against the released code's logits."""

import json

import numpy as np
import pytest

from tests.conftest import REFERENCE, reference_module

torch = pytest.importorskip("torch")

from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402

EXPECTED = np.load(REFERENCE / "e2e" / "expected_logits.npz")
KEYS = json.loads((REFERENCE / "checkpoint_keys.json").read_text())
BAR = 1e-2


@pytest.fixture
def checkpoint(workspace, monkeypatch):
    """Write the reference weights of a model in the released format."""

    def make(name, family):
        tensor_for = reference_module("weights").tensor_for
        state = {
            f"module.{key}": torch.from_numpy(np.asarray(tensor_for(key, tuple(shape))))
            for key, shape in KEYS[family].items()
        }
        monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        workspace.checkpoints.mkdir(exist_ok=True)
        path = workspace.checkpoints / load_manifest(workspace).model(name).checkpoint.file
        torch.save({"epoch": 60, "state_dict": state, "best_prec1": 1.0}, path, _use_new_zipfile_serialization=False)

    return make


@pytest.mark.parametrize(("name", "family"), [("bninc_8f", "GSM-BNInception"), ("inv3_12f", "GSM-InceptionV3")])
def test_scores_equal_the_released_code(gsmbench, workspace, checkpoint, name, family):
    checkpoint(name, family)
    ran = gsmbench("score", "--model", name, "--data", REFERENCE / "e2e")
    assert ran.status == 0, ran.err
    assert ran.out.strip() == f"scores/something-v1/validation/{name}.h5"
    found = read(workspace.score_path("something-v1", "validation", name))
    frames = load_manifest(workspace).model(name).frames
    two, one = EXPECTED[f"{family}-{frames}f-2clips"], EXPECTED[f"{family}-{frames}f-1clips"]
    assert np.abs(found.scores["action"] - two).max() <= BAR * two.std()
    centre = np.flatnonzero(found.views["offset"] == 0.5)
    assert np.abs(found.scores["action"][:, centre] - one).max() <= BAR * one.std(), (
        "the one-clip row of the two-clip dump"
    )
    # Pillow's own bytes reach a thousandth of the bar; more would be another resize, crop or decoder.
    assert np.abs(found.scores["action"] - two).max() <= 1e-4 * two.std()


def test_one_clip_run(gsmbench, workspace, checkpoint):
    checkpoint("bninc_8f", "GSM-BNInception")
    ran = gsmbench("score", "--model", "bninc_8f", "--data", REFERENCE / "e2e", "--clips", 1, "--out", "one.h5")
    assert ran.status == 0, ran.err
    expected = EXPECTED["GSM-BNInception-8f-1clips"]
    assert np.abs(read("one.h5").scores["action"] - expected).max() <= BAR * expected.std()
