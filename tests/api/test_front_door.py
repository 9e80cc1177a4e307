"""The package's own names, what importing costs, results in notebooks, and errors."""

import json
import subprocess
import sys

import numpy as np
import pandas
import pytest

import gsm_bench as gb


def loaded_after(code):
    """Top-level modules that a line of Python loads."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps([name.split('.')[0] for name in sys.modules]))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_loads_nothing():
    bare = loaded_after("pass")
    assert loaded_after("import gsm_bench") - bare == {"gsm_bench", "__future__"}


def test_a_workspace_loads_neither_torch_nor_pandas(demo):
    loaded = loaded_after(f"import gsm_bench as gb; gb.Bench({str(demo)!r}).ensemble('shapes_En1').top1")
    assert not loaded & {"torch", "pandas", "scipy", "sklearn", "matplotlib"}


def test_all_names_are_there():
    assert set(gb.__all__) <= set(dir(gb))
    for name in gb.__all__:
        assert getattr(gb, name) is not None
    assert gb.__version__ == "0.1.0"
    assert gb.results.EvaluationResult.__name__ in gb.results.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gb.nothing  # noqa: B018


def test_every_documented_result_is_exported():
    assert all(hasattr(gb.results, name) for name in gb.results.__all__)


def test_html_is_escaped_and_has_no_script(demo):
    scores = gb.from_arrays(range(4), np.eye(4), range(4), ["<script>alert(1)</script>", "b&b", "c", "d"], model="<b>x")
    page = gb.evaluate(scores, per_class=True)._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;x" in page
    assert "b&amp;b" in page
    assert page.count("<table>") == page.count("</table>") == 2
    assert "Top-1" in gb.Bench(demo).ensemble("shapes_En1")._repr_html_()


def test_a_result_prints_as_on_a_terminal(demo):
    text = str(gb.Bench(demo).ensemble("shapes_En1"))
    assert "shapes_En1: mean of logits" in text
    assert "93.93" in text


def test_frames_of_a_registry(demo):
    bench = gb.Bench(demo)
    models, datasets, ensembles = bench.models(), bench.datasets(), bench.ensembles()
    assert models.set_index("name").loc["shapes_8f", "scored"]
    assert not models.set_index("name").loc["inv3_8f", "scored"]
    assert datasets.set_index(["dataset", "split"]).loc[("shapes", "val"), "here"]
    assert list(ensembles[ensembles.ensemble == "En3x2"].clips) == [2, 2, 1, 1]


def test_a_row_per_video_agrees_with_the_accuracy(demo):
    bench = gb.Bench(demo)
    frame = bench.per_video("shapes_8f@2", "shapes_En3x2")
    assert len(frame) == 2 * 560
    for name in ("shapes_8f@2", "shapes_En3x2"):
        rows = frame[frame.model == name]
        result = bench.evaluate(name)
        assert (rows["rank"] == 1).mean() == result.top1
        assert (rows["rank"] <= 5).mean() == result.top5
        assert (rows.label.astype(str) == rows.top1.astype(str)).mean() == result.top1
    values = frame[["p1", "p2", "p3", "p4", "p5"]].to_numpy()
    assert (np.diff(values, axis=1) <= 0).all()
    assert isinstance(frame.id.dtype, pandas.CategoricalDtype)


def test_probabilities_of_a_row_are_those_of_scipy(demo):
    from scipy.special import softmax

    bench = gb.Bench(demo)
    with bench.scores("shapes_8f") as file:
        centre = int(np.flatnonzero(np.isclose(file.head.views["offset"], 0.5))[0])
        expected = np.sort(softmax(file.scores["action"][:, centre].astype(np.float64), axis=1), axis=1)[:, ::-1][:, :5]
    frame = bench.per_video("shapes_8f")
    assert frame[[f"p{k}" for k in range(1, 6)]].to_numpy() == pytest.approx(expected, rel=2e-6)


def test_ties_unknown_labels_and_unscored_videos_of_a_row():
    scores = np.array([[1.0, 1.0, 0.0], [np.nan] * 3, [0.0, 2.0, 1.0]])
    file = gb.from_arrays(["a", "b", "c"], scores, [1, 0, -1], kind="logits")
    frame = gb.Bench().per_video(file)
    assert frame["rank"].tolist() == [2, pandas.NA, pandas.NA]
    assert frame.top1.tolist()[::2] == ["class 0", "class 1"]
    assert frame.top1.isna().tolist() == [False, True, False]
    assert frame.label.isna().tolist() == [False, False, True]
    assert np.isnan(frame.p1[1])


def test_rows_of_different_data_sets_share_a_frame():
    one = gb.from_arrays(["a", "b"], np.eye(2), [0, 1], ["x", "y"], model="one")
    two = gb.from_arrays(["b", "c"], np.eye(3)[:2], [0, 2], ["y", "z", "w"], model="two")
    frame = gb.Bench().per_video(one, two)
    assert frame.id.tolist() == ["a", "b", "b", "c"]
    assert frame.label.tolist() == ["x", "y", "y", "w"]
    assert frame.top1.tolist() == ["x", "y", "y", "z"]
    assert frame.top3.isna().tolist() == [True, True, False, False]


def test_scoring_without_torch_says_what_to_install(demo, monkeypatch):
    monkeypatch.setattr("gsm_bench.api.scoring.find_spec", lambda name: None)
    with pytest.raises(gb.errors.NetworkError) as caught:
        gb.Bench(demo).score("shapes_8f")
    assert caught.value.fix == "pip install 'gsm-bench[score]'"


def test_an_unknown_option_of_scoring_is_named(demo):
    pytest.importorskip("torch")
    with pytest.raises(gb.errors.GsmBenchError, match="no option 'speed'"):
        gb.Bench(demo).score("shapes_8f", speed=3)


def test_a_file_that_no_server_takes_is_false(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    verdict = gb.check(tmp_path / "x.json")
    assert not verdict
    assert verdict.to_pandas().verdict.tolist()[0] == "error"
