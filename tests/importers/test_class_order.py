"""Columns matched to the split's classes by name, from the data set's own label file, or solved for on request."""

import json

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.class_order import Renumbering, by_name, near_chance, paired_labels, read_names, solve
from gsm_bench.scorefile import read
from tests.importers import dumps

NAMES = [
    "Holding something", "Turning something upside down", "Closing something", "Bending something", "Moving something up",
]  # fmt: skip
CLIPS = 40


@pytest.fixture
def something(workspace):
    """A little Something-V1: release csv and label file in an order of their own; GSM sorts it. Labels in sorted order."""
    entry = (
        '[datasets.little]\ntitle = "Little"\nlayout = "something-v1"\nclasses = 5\nclass_order = "alphabetical"\n'
        'frame_pattern = "{id}/{frame:05d}.jpg"\nclass_files = ["category.txt", "labels.csv"]\n'
        '[datasets.little.splits]\nvalidation = { lists = ["val.csv"] }\n'
    )
    (workspace.manifests / "little.toml").write_text(entry)
    data = workspace.data / "little"
    data.mkdir(parents=True)
    labels = np.concatenate([np.arange(5), np.random.default_rng(1).integers(0, 5, CLIPS - 5)])
    target = sorted(NAMES)
    (data / "labels.csv").write_text("\n".join(NAMES) + "\n")
    (data / "val.csv").write_text("".join(f"{1000 + row};{target[label]}\n" for row, label in enumerate(labels)))
    return labels


@pytest.fixture
def source(something):
    """Logits [N, 5] and labels [N] in the order of the label file."""
    target = sorted(NAMES)
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((CLIPS, 5)).astype(np.float32)  # in GSM's order
    logits[np.arange(CLIPS), something] += 2
    columns = [target.index(name) for name in NAMES]
    mine = np.array([NAMES.index(target[label]) for label in something])
    return logits, logits[:, columns], mine


LITTLE = ("--dataset", "little", "--split", "validation")
OUT = "scores/little/validation/x.h5"


def test_classes_by_name(something, source, gsmbench, workspace):
    expected, logits, mine = source
    np.savez("x.npz", scores=logits, labels=mine)
    (workspace.root / "names.txt").write_text("\n".join(name.replace("something", "[something]") for name in NAMES))
    ran = gsmbench("import", "x.npz", *LITTLE, "--classes", "names.txt")
    assert ran.status == 0, ran.err
    assert "action classes had the split's number" in ran.err
    content = read(OUT)
    assert np.array_equal(content.scores["action"][:, 0], expected)
    assert content.labels["action"].tolist() == something.tolist()
    assert content.class_names["action"] == tuple(sorted(NAMES))


def test_the_order_of_the_label_file_is_known(something, source, gsmbench):
    """What mmaction2 goes by is tried where labels tell that it is right."""
    expected, logits, mine = source
    rows = [{"pred_score": row, "gt_label": int(label)} for row, label in zip(dumps.softmax(logits), mine, strict=True)]
    from pathlib import Path

    dumps.dump(Path("x.pkl"), rows)
    ran = gsmbench("import", "x.pkl", *LITTLE)
    assert ran.status == 0, ran.err
    assert "columns were in the order of labels.csv: " in ran.err
    assert np.allclose(read(OUT).scores["action"][:, 0], dumps.softmax(expected), atol=1e-7)


def test_without_labels_the_order_is_only_said(something, source, gsmbench):
    from pathlib import Path

    dumps.dump(Path("x.pkl"), list(source[1]))
    Path("ids.txt").write_text("\n".join(str(1000 + row) for row in range(CLIPS)))
    ran = gsmbench("import", "x.pkl", *LITTLE, "--ids", "ids.txt")
    assert ran.status == 0, ran.err
    assert "mmaction2 keeps the order of the label file" in ran.err


def test_other_names_are_refused_with_the_nearest(something, source, gsmbench, workspace):
    np.savez("x.npz", scores=source[1], labels=source[2])
    (workspace.root / "names.txt").write_text("\n".join(["Holding somethin", *NAMES[1:]]))
    ran = gsmbench("import", "x.npz", *LITTLE, "--classes", "names.txt")
    assert ran.status == 1
    assert "1 have no equal, first 'Holding something'; the nearest is 'Holding somethin'" in ran.err
    (workspace.root / "names.txt").write_text("\n".join(NAMES[1:]))
    assert "4 class names for 5 action columns" in gsmbench("import", "x.npz", *LITTLE, "--classes", "names.txt").err


def test_names_without_a_split_are_kept(source, gsmbench, workspace):
    np.savez("x.npz", scores=source[1], labels=source[2])
    (workspace.root / "names.json").write_text(json.dumps({name: str(at) for at, name in enumerate(NAMES)}))
    assert gsmbench("import", "x.npz", "--classes", "names.json").status == 0
    assert read("scores/imported/x.h5").class_names["action"] == tuple(NAMES)


def test_labels_that_differ_only_in_number_are_recognised(something, source, gsmbench, workspace):
    """The order is nobody's: not the split's, not the label file's."""
    expected, _, _ = source
    columns = np.array([3, 0, 4, 2, 1])
    logits, labels = expected[:, columns], np.argsort(columns)[something]
    np.savez("x.npz", scores=logits, labels=labels)
    ran = gsmbench("import", "x.npz", *LITTLE)
    assert ran.status == 1
    assert "the labels are the same but for the numbers of the classes" in ran.err
    ran = gsmbench("import", "x.npz", *LITTLE, "--solve-classes")
    assert ran.status == 0, ran.err
    assert "as asked" in ran.err
    assert np.array_equal(read(OUT).scores["action"][:, 0], expected)


def test_near_chance_the_order_is_solved_for_and_applied_on_request(gsmbench, workspace):
    rng = np.random.default_rng(0)
    clips, classes = 2000, 40
    labels = rng.integers(0, classes, clips)
    logits = rng.standard_normal((clips, classes)).astype(np.float32)
    logits[np.arange(clips), labels] += 2.5
    order = rng.permutation(classes)
    np.savez("x.npz", scores=logits[:, order], labels=labels)
    ran = gsmbench("import", "x.npz")
    assert ran.status == 0
    assert "near chance (2.50)" in ran.err
    assert "with the columns renumbered it is" in ran.err
    assert "--solve-classes applies it" in ran.err
    assert np.array_equal(read("scores/imported/x.h5").scores["action"][:, 0], logits[:, order])
    ran = gsmbench("import", "x.npz", "--solve-classes", "--name", "y")
    assert "Applied, as asked" in ran.err
    solved = read("scores/imported/y.h5")
    assert np.array_equal(solved.scores["action"][:, 0], logits)
    assert any("Applied" in line for line in solved.provenance.assumptions)


def test_noise_is_not_mended(gsmbench, workspace):
    rng = np.random.default_rng(0)
    np.savez("x.npz", scores=rng.standard_normal((2000, 40)), labels=rng.integers(0, 40, 2000))
    ran = gsmbench("import", "x.npz", "--solve-classes")
    assert "no other order of the columns is better" in ran.err


def test_solving_against_every_order_of_four_classes():
    """Slow and independent: all 24 orders tried."""
    from itertools import permutations

    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 80)
    scores = rng.standard_normal((80, 1, 4)).astype(np.float32)
    scores[np.arange(80), 0, np.array([2, 0, 3, 1])[labels]] += 1
    best = max(permutations(range(4)), key=lambda order: (scores[:, 0][:, list(order)].argmax(1) == labels).sum())
    content = solve(scores, labels)
    assert content.renumbering.columns.tolist() == list(best) == [2, 0, 3, 1]
    assert content.before == (scores[:, 0].argmax(1) == labels).mean()
    assert content.unknown == 0


def test_the_held_out_figure_is_honest():
    """On pure noise the fitted order looks better than chance, the one measured on the other half does not."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 30, 3000)
    scores = rng.standard_normal((3000, 1, 30)).astype(np.float32)
    content = solve(scores, labels)
    fitted = (content.renumbering.scores(scores)[:, 0].argmax(1) == labels).mean()
    assert fitted > 0.04
    assert abs(content.after - 1 / 30) < 0.012


def test_when_accuracy_counts_as_near_chance():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 10, 1000)
    scores = rng.standard_normal((1000, 1, 10)).astype(np.float32)
    assert near_chance(scores, labels) == (scores[:, 0].argmax(1) == labels).mean()
    assert near_chance(scores[:15], labels[:15]) is None, "too few clips to say so"
    scores[np.arange(1000), 0, labels] += 2
    assert near_chance(scores, labels) is None


def test_renumbering_by_hand():
    content = Renumbering(np.array([2, 0, 1]))  # new class 0 is old column 2
    assert content.scores(np.array([[[10.0, 11.0, 12.0]]])).tolist() == [[[12.0, 10.0, 11.0]]]
    assert content.labels(np.array([2, 0, 1, -1])).tolist() == [0, 1, 2, -1]
    assert content.agreeing == 0
    assert by_name(["c", "a", "b"], ["a", "b", "c"], "x").columns.tolist() == [1, 2, 0]
    assert paired_labels(np.array([2, 0, 1, 2]), np.array([0, 1, 2, 0]), 3).columns.tolist() == [2, 0, 1]
    assert paired_labels(np.array([2, 0, 1, 2]), np.array([0, 1, 2, 1]), 3) is None
    assert paired_labels(np.array([2, 0]), np.array([0, 1]), 3) is None


def test_files_of_names(tmp_path):
    (tmp_path / "a.json").write_text('["x", "y"]')
    assert read_names(tmp_path / "a.json") == ("x", "y")
    (tmp_path / "b.txt").write_text("x\nx\n")
    with pytest.raises(DumpError, match="1 of them different"):
        read_names(tmp_path / "b.txt")
    with pytest.raises(DumpError, match="no such file"):
        read_names(tmp_path / "c.txt")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(DumpError, match="neither text nor JSON"):
        read_names(tmp_path / "d.json")


@pytest.mark.parametrize("unlabelled", [True, False])
def test_another_mean_class_accuracy_of_mmaction2_is_said(unlabelled, gsmbench, workspace):
    """mmaction2 counts classes that are predicted and never labelled as 0."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4 if unlabelled else 5, 60)
    logits = rng.standard_normal((60, 5))
    logits[np.arange(60), labels] += 1.5
    dumps.dump(
        workspace.root / "x.pkl",
        [{"pred_score": row, "gt_label": int(label)} for row, label in zip(logits, labels, strict=True)],
    )
    ran = gsmbench("import", "x.pkl", "--format", "json")
    best = logits.argmax(1)
    recalls = [(best[labels == number] == number).mean() for number in np.unique(labels)]
    assert json.loads(ran.out)["rows"][0]["mean_class"] == pytest.approx(np.mean(recalls))
    assert ("mmaction2 counts" in ran.err) == unlabelled
    if unlabelled:
        assert set(best) - set(labels) == {4}
        assert f"{100 * np.mean(recalls):.2f} over the labelled classes" in ran.err
        assert f"1 predicted classes without labels as 0: {100 * np.mean([*recalls, 0]):.2f}" in ran.err


def test_a_weak_model_is_not_called_untrained(gsmbench, workspace):
    """Its accuracy is low and yet clearly above chance; only one that chance explains is called untrained."""
    for strength, says in ((0.0, True), (0.7, False)):
        rng = np.random.default_rng(1)
        labels = rng.integers(0, 8, 240)
        scores = rng.standard_normal((240, 8))
        scores[np.arange(240), labels] += strength
        np.savez("weak.npz", ids=np.arange(240), scores=scores, labels=labels)
        ran = gsmbench("import", "weak.npz", "--force")
        assert ran.status == 0
        assert ("untrained" in ran.err) == says, ran.err
