"""What `figure all` makes of a workspace, and the command that it names for the rest."""

import shutil

import pytest

from gsm_bench.api.bench import Bench
from gsm_bench.api.figure_plan import plan_figures
from gsm_bench.workspace import shipped_manifests
from tests.figures.conftest import KINDS


def by_kind(bench):
    return {planned.kind: planned for planned in plan_figures(bench, "shapes", "val")}


def test_scores_alone_lead_to_the_commands(tmp_path):
    pytest.importorskip("torch")
    shutil.copytree(shipped_manifests() / "shapes" / "data", tmp_path / "data" / "shapes")
    shutil.copytree(shipped_manifests() / "shapes" / "scores", tmp_path / "scores")
    plan = by_kind(Bench(tmp_path))
    assert plan.keys() == KINDS.keys()
    missing = {kind: planned.missing for kind, planned in plan.items() if planned.request is None}
    assert missing.keys() == {"tsne", "frames", "saliency"}
    assert missing["tsne"].startswith("features: gsmbench --workspace ")
    assert missing["tsne"].endswith(" features --model shapes_16f")
    for kind in ("frames", "saliency"):
        assert missing[kind].startswith("frames: gsmbench shapes make ")
        assert missing[kind].endswith("data/shapes --split val")


def test_features_and_frames_are_used_where_they_are(shapes):
    pytest.importorskip("torch")
    plan = by_kind(shapes)
    assert all(planned.request is not None for planned in plan.values())
    assert plan["tsne"].request.names == ("shapes_tsn_8f", "shapes_8f")
    assert plan["frames"].request.names == ("shapes_En3x2",)
    saliency = plan["saliency"].request
    assert saliency.names == ("shapes_tsn_8f", "shapes_8f"), "as many frames as the least accurate model"
    (video,) = saliency.ids
    ranks = [shapes.per_video(name).set_index("id")["rank"] for name in saliency.names]
    assert [int(one[video]) == 1 for one in ranks] == [False, True]


def test_of_verbs_nouns_and_actions_the_verbs_are_few_enough(shapes, tmp_path):
    import numpy as np

    from tests.conftest import write_features

    shutil.copytree(shipped_manifests() / "shapes" / "data", tmp_path / "data" / "shapes")
    shutil.copytree(shipped_manifests() / "shapes" / "scores", tmp_path / "scores")
    bench = Bench(tmp_path)
    ids = list(bench.scores("shapes_vna_12f").head.ids)[:30]
    path = bench.workspace.feature_path("shapes-actions", "val", "shapes_vna_12f")
    path.parent.mkdir(parents=True)
    place = {"dataset": "shapes-actions", "split": "val"}
    write_features(path, ids, {"pool": np.random.default_rng(0).standard_normal((30, 4))}, **place)
    plan = {planned.kind: planned for planned in plan_figures(bench, "shapes-actions", "val")}
    request = plan["tsne"].request
    assert request.task == "verb"
    groups = {row["group"] for row in bench.figure("tsne", *request.names, task="verb", **place).numbers.rows}
    assert "moving left" in groups


def test_actions_have_the_names_of_their_verb_and_noun(shapes):
    pytest.importorskip("PIL")
    plot = shapes.figure("frames", "shapes_vna_12f", ids=("200001",))
    assert plot.figure.axes[0].get_xlabel() == "frame of video 200001, moving right, cross"


def test_the_message_of_a_model_without_weights(shapes, monkeypatch):
    pytest.importorskip("torch")
    from pathlib import Path

    from gsm_bench.workspace import Workspace

    monkeypatch.setattr(Workspace, "checkpoint_path", lambda self, file: Path("nowhere"))
    assert by_kind(shapes)["saliency"].missing == (
        "the checkpoint of shapes_tsn_8f: gsmbench models show shapes_tsn_8f says where it is"
    )
