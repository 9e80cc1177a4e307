"""t-SNE of features: silhouettes against a slow reference, groups, videos that files share, and odd inputs."""

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.class_groups import chosen_groups, grouped_classes
from gsm_bench.evaluation.embedding import Embedding, FeatureSet, embed
from gsm_bench.figures.style import PALETTES, FigureStyle
from gsm_bench.figures.tsne import MOST_GROUPS, draw_tsne, look_of
from gsm_bench.manifest import load_manifest
from gsm_bench.workspace import Workspace
from tests.conftest import shared_real, write_features
from tests.figures.conftest import clipped, overlaps, texts_of


def slow_silhouettes(values, groups):
    """Rousseeuw's definition, video by video."""
    distances = np.sqrt(((values[:, None] - values[None]) ** 2).sum(axis=2))
    out = []
    for row, group in enumerate(groups):
        own = (groups == group) & (np.arange(len(groups)) != row)
        if not own.any():
            out.append(0.0)
            continue
        inside = distances[row, own].mean()
        nearest = min(distances[row, groups == other].mean() for other in set(groups) if other != group)
        out.append((nearest - inside) / max(inside, nearest))
    return np.array(out)


def test_silhouettes_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 40)
    values = rng.standard_normal((40, 6)).astype(np.float32) + groups[:, None]
    (one,) = embed([FeatureSet("m", "pool", values)], groups)
    assert np.abs(one.silhouettes - slow_silhouettes(values.astype(np.float64), groups)).max() < 1e-6
    assert one.silhouette == pytest.approx(one.silhouettes.mean())
    assert one.points.shape == (40, 2)
    again, tiny = embed([FeatureSet("m", "a", values), FeatureSet("m", "b", values * 1e-12)], groups)
    assert np.array_equal(again.points, one.points), "the same features give the same picture, alone or not"
    assert tiny.silhouette == pytest.approx(one.silhouette), "the scale of features is of no account"


def test_an_exact_case():
    """Two pairs on a line, 0 and 1, 10 and 11: (10.5 - 1) / 10.5 outside, (9.5 - 1) / 9.5 inside; and a lone video: 0."""
    values = np.array([[0], [1], [10], [11], [500]], np.float32)
    (one,) = embed([FeatureSet("m", "pool", values)], np.array([0, 0, 1, 1, 2]))
    assert one.silhouettes.tolist() == pytest.approx([9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5, 0])


def test_too_few_videos_and_constant_features_are_refused():
    with pytest.raises(GsmBenchError, match="4 videos with features"):
        embed([FeatureSet("m", "pool", np.zeros((4, 2), np.float32))], np.arange(4))
    with pytest.raises(GsmBenchError, match="the same features for all videos"):
        embed([FeatureSet("m", "pool", np.ones((9, 2), np.float32))], np.arange(9) % 3)


@pytest.mark.parametrize("theme", PALETTES)
def test_each_group_has_a_look_of_its_own(theme):
    style = FigureStyle(theme=theme)
    assert len({look_of(style, group) for group in range(MOST_GROUPS)}) == MOST_GROUPS


@pytest.mark.parametrize("panels", [1, 2, 5])
@pytest.mark.parametrize("groups", [1, 10, 32])
def test_any_number_of_panels_and_groups_is_legible(panels, groups):
    rng = np.random.default_rng(0)
    members = np.arange(96) % groups
    some = [
        Embedding(f"a model with a long name {n}", "inception_5b", rng.standard_normal((96, 2)), rng.random(96))
        for n in range(panels)
    ]
    names = [f"Putting something number {n} onto something" for n in range(groups)]
    plot = draw_tsne(FigureStyle(title="All"), some, [f"v{n}" for n in range(96)], members, names)
    assert overlaps(plot.figure) == []
    assert clipped(plot.figure) == []
    assert len(plot.numbers.rows) == 96 * panels


def test_panels_say_the_silhouette_and_the_numbers_hold_it(shapes):
    plot = shapes.figure("tsne", "shapes_tsn_8f", "shapes_8f", layers=("pool", "mid"))
    written = [text.get_text() for text in texts_of(plot.figure)]
    for model in ("shapes_tsn_8f", "shapes_8f"):
        for layer in ("pool", "mid"):
            rows = [r for r in plot.numbers.rows if (r["model"], r["layer"]) == (model, layer)]
            mean = np.mean([row["silhouette"] for row in rows])
            assert len({row["mean_silhouette"] for row in rows}) == 1
            assert rows[0]["mean_silhouette"] == pytest.approx(mean, abs=1e-5)
            title = model if layer == "pool" else f"{model} mid"
            assert f"{title}\nsilhouette {mean:.2f}" in written
            assert f"{model}, {layer}: silhouette {mean:.2f} among the features of 187 videos" in plot.notes
    pairs = shapes.figure("tsne", "shapes_8f", groups="pairs")
    assert len({row["group"] for row in pairs.numbers.rows}) == 7
    two = shapes.figure("tsne", "shapes_8f", block=("moving up", "turning clockwise"))
    assert {row["group"] for row in two.numbers.rows} == {"moving up", "turning clockwise"}
    assert "160 of 187 videos are left out: their class is in none of the groups" in two.notes


def test_the_ten_groups_of_the_paper_are_classes_of_something_v1():
    groups = load_manifest(Workspace.locate(".")).dataset("something-v1").class_groups["ten"]
    assert len(groups) == 10
    members = [name for group in groups.values() for name in group]
    assert len(members) == len(set(members)) == 41
    path = shared_real() / "mmaction2" / "sthv1_label_map.txt"
    if not path.is_file():
        pytest.skip("the label file of Something-Something V1 is not here: set GSMBENCH_SHARED")
    names = sorted(" ".join(line.split()) for line in path.read_text().splitlines())
    grouped = grouped_classes(groups, names)
    assert (grouped.group_of >= 0).sum() == 41
    assert list(chosen_groups(None, (), names, load_manifest(Workspace.locate(".")).dataset("something-v1"))) == [
        *groups
    ]


def test_files_are_matched_by_id(workspace, toy_labels, gsmbench):
    rng = np.random.default_rng(0)
    place = {"dataset": "toy", "split": "val"}
    ids = [f"v{row}" for row in range(60)]
    status = np.zeros(60, np.uint8)
    status[7] = 2
    values = rng.standard_normal((60, 4)) + toy_labels[:, None]
    values[7] = np.nan
    write_features(workspace.root / "a.h5", ids, {"pool": values}, status=status, **place)
    write_features(workspace.root / "b.h5", ids[::-1], {"pool": np.nan_to_num(values)[::-1]}, **place)
    plot = gb.Bench().figure("tsne", "a.h5", "b.h5")
    rows = plot.numbers.rows
    assert [row["id"] for row in rows[:59]] == [row["id"] for row in rows[59:]] == [i for i in ids if i != "v7"]
    names = ("ape", "bee", "cat", "dog", "elk")
    assert [row["group"] for row in rows[:59]] == [names[toy_labels[int(row["id"][1:])]] for row in rows[:59]]
    assert rows[0]["silhouette"] == rows[59]["silhouette"]
    assert "1 of 60 videos are left out: they have no features in one of the files" in plot.notes
    write_features(workspace.root / "c.h5", [f"w{row}" for row in range(60)], {"pool": values + 1}, **place)
    ran = gsmbench("figure", "tsne", "b.h5", "c.h5")
    assert ran.status == 1
    assert "no video has features in all of these files" in ran.err


GROUP_FILES = {
    "nosuch.toml": (None, "no groups 'nosuch.toml'; this data set has none"),
    "text.toml": ("ape, bee\n", "cannot be read"),
    "bytes.toml": (b"\xff\xfe\x00", "cannot be read"),
    "empty.toml": ("", "holds no groups"),
    "number.toml": ("a = 3\n", "the group 'a' is not a list"),
    "numbers.toml": ("a = [1, 2]\n", "the group 'a' is not a list"),
    "none.toml": ("a = []\n", "the group 'a' is not a list"),
    "table.toml": ("[a]\nb = ['ape']\n", "the group 'a' is not a list"),
    "unknown.toml": ("a = ['appe']\n", "no class 'appe', which the group 'a' names; did you mean ape?"),
    "twice.toml": ("a = ['ape']\nb = ['ape', 'bee']\n", "the class 'ape' is in two groups"),
    "few.toml": ("a = ['none of these']\n", "no class 'none of these'"),
}


@pytest.mark.parametrize("name", GROUP_FILES)
def test_odd_files_of_groups_end_in_one_message(workspace, toy_labels, gsmbench, name):
    content, message = GROUP_FILES[name]
    if content is not None:
        (workspace.root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    features = np.random.default_rng(0).standard_normal((60, 4))
    path = workspace.feature_path("toy", "val", "toy_4f")
    path.parent.mkdir(parents=True)
    write_features(path, [f"v{row}" for row in range(60)], {"pool": features}, dataset="toy", split="val")
    ran = gsmbench("figure", "tsne", "toy_4f", "--groups", name)
    assert ran.status == 1, ran.err
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_groups_of_a_file(workspace, toy_labels, gsmbench):
    features = np.random.default_rng(0).standard_normal((60, 4))
    path = write_features(
        workspace.root / "f.h5", [f"v{n}" for n in range(60)], {"p": features}, dataset="toy", split="val"
    )
    (workspace.root / "good.toml").write_text("'A B' = ['ape', 'bee']\nC = ['cat']\n")
    ran = gsmbench("figure", "tsne", path, "--groups", "good.toml", "--out", "t.svg")
    assert ran.status == 0, ran.err
    assert "left out: their class is in none of the groups" in ran.err


def test_files_that_are_missing_or_many_lead_to_the_command(workspace, toy_labels, gsmbench):
    ran = gsmbench("figure", "tsne", "toy_4f")
    assert "no features of toy_4f on toy/val" in ran.err
    assert "gsmbench features --model toy_4f" in ran.err
    path = workspace.feature_path("toy", "val", "toy_4f")
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for limit in (20, 30):
        write_features(
            path.with_name(f"toy_4f.limit-{limit}.h5"), [f"v{row}" for row in range(limit)],
            {"conv": rng.standard_normal((limit, 4))}, dataset="toy", split="val",
        )  # fmt: skip
        ran = gsmbench("figure", "tsne", "toy_4f", "--out", f"{limit}.svg")
        assert ("toy_4f has 2 feature files" in ran.err) == (limit == 30)
    ran = gsmbench("figure", "tsne", path.with_name("toy_4f.limit-20.h5"), "--layers", "pool")
    assert "no features of layer 'pool', only of conv" in ran.err
    assert gsmbench("figure", "tsne", "nosuch").status == 1
