"""The typed provenance: every JSON object that the package has ever written comes back unchanged."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import open_scores, write
from tests.conftest import clip_scores, edited_h5

CONTRACT = {
    "model", "entry", "checkpoint_sha256", "dataset", "split", "split_sha256", "list_path", "sampling", "input",
    "views", "precision", "device", "batch", "params", "macs_bare_per_view", "macs_paper_per_view",
    "uncounted", "versions", "started", "finished", "signature",
}  # fmt: skip


def test_contract_keys_are_always_written_and_others_where_known():
    written = Provenance(model="m", frames_text="8x2").to_dict()
    assert set(written) == {*CONTRACT, "limit", "frames_text"}
    assert (written["model"], written["batch"], written["frames_text"]) == ("m", None, "8x2")


def test_unknown_keys_are_kept_and_written_back():
    stored = {**dict.fromkeys((*CONTRACT, "limit")), "model": "m", "laboratory": {"name": "n"}, "extra": None}
    provenance = Provenance.of(stored)
    assert provenance.extra == {"laboratory": {"name": "n"}, "extra": None}
    assert provenance.to_dict() == stored
    assert json.loads(replace(provenance, batch=4).to_json()) == {**stored, "batch": 4}


def test_version_1_keys_are_renamed():
    assert Provenance.of({"halved": {"4": 1}, "eager": {"why": 2}}) == Provenance(
        batch_halvings={"4": 1}, compile_fallbacks={"why": 2}
    )


@pytest.mark.parametrize("values", [[1], "text", {"batch": "four"}, {"sampling": 8}, {"members": [1]}, {"entry": "m"}])
def test_values_of_a_wrong_type_are_refused(values):
    with pytest.raises(ValueError, match="provenance"):
        Provenance.of(values)


def test_a_score_file_with_a_wrong_type_is_reported_as_damaged(tmp_path, gsmbench):
    write(tmp_path / "a.h5", clip_scores(np.zeros((2, 2, 3))))
    with edited_h5(tmp_path / "a.h5") as file:
        file.attrs["provenance"] = json.dumps({"sampling": 8})
    ran = gsmbench("evaluate", tmp_path / "a.h5")
    assert ran.status == 1
    assert "this score file is damaged: provenance: " in ran.err


def test_facts_of_a_model_and_of_an_ensemble():
    model = Provenance(
        dataset="toy", split="val", sampling={"frames": 8, "order": "reversed"},
        entry={"trained_on": ["toy/train"], "pretraining": "imagenet"},
    )  # fmt: skip
    assert (model.place, model.sampled_frames, model.frame_order) == ("toy/val", 8, "reversed")
    assert (model.trained_on, model.pretraining) == (("toy/train",), ["imagenet"])
    parts = [{"trained_on": ["a/train", "b/train"], "pretraining": "kinetics"}, {"trained_on": ["a/train"]}]
    ensemble = Provenance(members=parts)
    assert (ensemble.trained_on, ensemble.pretraining) == (("a/train", "b/train"), ["kinetics", ""])
    assert (ensemble.sampled_frames, ensemble.frame_order) == (None, "forward")
    assert (Provenance().trained_on, Provenance().pretraining) == ((), [""])


def test_a_mapping_becomes_a_provenance_in_a_score_file(tmp_path):
    write(tmp_path / "a.h5", clip_scores(np.zeros((2, 2, 3)), model="m", limit=2))
    with open_scores(tmp_path / "a.h5") as file:
        assert file.head.provenance == Provenance(model="m", limit=2)
