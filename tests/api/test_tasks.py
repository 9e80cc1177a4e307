"""Three people's tasks, written from docs/python.md alone; and every line of that page runs."""

import re
from pathlib import Path

import numpy as np
import pandas
import pytest

import gsm_bench as gb

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
RNG = np.random.default_rng(8)


@pytest.fixture
def three_models():
    """Ids, labels and logits of three models, the second the best and the third the worst."""
    labels = RNG.integers(0, 6, 300)
    noise = {"first": 1.0, "second": 0.5, "third": 2.0}
    models = {
        name: np.eye(6, dtype=np.float32)[labels] + scale * RNG.standard_normal((300, 6)).astype(np.float32)
        for name, scale in noise.items()
    }
    return [f"v{row}" for row in range(300)], labels, models


def test_rank_my_three_models_from_numpy_arrays(three_models, tmp_path):
    ids, labels, models = three_models
    files = [gb.from_arrays(ids, logits, labels, model=name) for name, logits in models.items()]
    table = gb.Bench(tmp_path).evaluate(*files).to_pandas().sort_values("top1", ascending=False)
    assert table.label.tolist() == ["second", "first", "third"]
    for row in table.itertuples():
        assert row.top1 == (models[row.label].argmax(1) == labels).mean()
        assert row.top1_low95 < row.top1 < row.top1_high95
    assert table.top1_tied.tolist() == [False, False, False]


def test_the_videos_that_a_gets_right_and_b_wrong_with_their_paths(demo):
    bench = gb.Bench(demo)
    comparison = bench.compare("shapes_12f", "shapes_tsn_8f", paths=True)
    flips = comparison.videos()
    mine = flips[flips.right_in == "shapes_12f"]
    frame = bench.per_video("shapes_12f", "shapes_tsn_8f", paths=True)
    ranks = frame.astype({"id": str, "model": str}).pivot(index="id", columns="model", values="rank")
    expected = ranks[(ranks["shapes_12f"] == 1) & (ranks["shapes_tsn_8f"] > 1)].index
    assert set(mine.id) == set(expected)
    assert len(mine) > 100
    assert (mine.true == mine["first"]).all()
    assert (mine.true != mine.second).all()
    folders = demo / "data" / "shapes" / "frames"
    assert mine.path.tolist() == [str(folders / name) for name in mine.id]
    paths = frame.astype({"id": str}).drop_duplicates("id").set_index("id").path
    assert (paths[mine.id.tolist()] == mine.path.tolist()).all()


def test_a_latex_ready_frame_of_table_4(demo):
    pytest.importorskip("jinja2")
    result = gb.Bench(demo).table("4.shapes")
    frame = result.to_pandas(form="latex")
    text = frame.to_latex(index=False)
    assert r"\begin{tabular}" in text
    assert "GSM BN-Inception/4 En3 & 8x2+12x2+16+24" in text
    assert "96.25 [94.3, 97.6]" in text  # an interval so close to 100% is not symmetric
    assert not re.search(r"(?<!\\)[%#]|[±≈]", text)
    raw = result.to_pandas()
    assert [cell.split()[-2 if "pm" in cell else -1] for cell in frame["Top-1"]]
    assert len(frame) == len(raw) == 14
    assert raw.top1.max() == pytest.approx(0.9625)
    assert result.to_pandas(form="text").columns.tolist() == [
        "Model",
        "Frames",
        "Params (M)",
        "GFLOPs",
        "Top-1",
        "Top-5",
    ]


def test_every_line_of_the_page_runs(demo, three_models, tmp_path, monkeypatch):
    pytest.importorskip("jinja2")
    ids, labels, models = three_models
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").symlink_to(demo)
    names = [f"class {number}" for number in range(6)]
    known = {"ids": ids, "labels": labels, "models": models, "names": names}
    known |= {"logits_a": models["first"], "logits_b": models["second"]}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), known)
    assert (tmp_path / "both.h5").is_file()
    assert isinstance(known["frame"], pandas.DataFrame)
