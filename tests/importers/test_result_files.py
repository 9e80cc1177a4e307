"""Result files for servers that take the best classes of each video."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.convert import import_dump
from gsm_bench.importers.orders import ImportRequest
from gsm_bench.manifest import shipped_dataset
from gsm_bench.scorefile import read
from gsm_bench.splits import read_split

RANKED = "7;3;0;5;1;4\n1420;5;4;3;2;1\n33;0;1;2;3;5\n"


def imported(path, **request):
    return import_dump(ImportRequest((path,), "x", **request))


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def ranks(content):
    return np.argsort(-content.scores["action"][:, 0], axis=1, kind="stable")[:, :5].tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(";", " ; "),
    ],
)
def test_the_five_best_classes(tmp_path, change):
    read_file = imported(written(tmp_path / "r.csv", change(RANKED)))
    assert list(read_file.content.ids) == ["7", "1420", "33"]
    assert ranks(read_file.content) == [[3, 0, 5, 1, 4], [5, 4, 3, 2, 1], [0, 1, 2, 3, 5]]
    assert any("five best classes alone" in line for line in read_file.assumptions)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RANKED + "7;1;2;3;4;5\n", "Duplicate id '7'"),
        ("7;Swiping Left\n9;No gesture\n", "one class per video and no scores"),
        ("7;Holding something\n", "one class per video and no scores"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(tmp_path, text, message):
    with pytest.raises(DumpError, match=message) as raised:
        imported(written(tmp_path / "r.csv", text))
    assert raised.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "a;0.5;1;2;3;4\nb;1;2;3;4;5.5\n",
        "id;0;1;2;3;4\na;1;2;3;4;0\n",
        "a;1;1;2;3;9\nb;1;2;3;4;5\n",
        "a;0;1;2;3;4\nb;4;3;2;1;0\n",
    ],
)
def test_tables_of_scores_are_no_result_files(tmp_path, text):
    try:
        assert not any("five best" in line for line in imported(written(tmp_path / "r.csv", text)).assumptions)
    except DumpError as error:
        assert "result" not in error.what


def test_an_exported_file_is_evaluated_by_the_answers(workspace, gsmbench):
    """Scores to a result file and back: the same top-1 and top-5 accuracies."""
    folder = workspace.data / "something-v2" / "labels"
    folder.mkdir(parents=True)
    names = [f"Class {at:03d}" for at in range(174)]
    rng = np.random.default_rng(0)
    ids, labels = [str(at) for at in rng.permutation(60)], rng.integers(0, 174, 60)
    (folder / "labels.json").write_text(json.dumps({name: str(at) for at, name in enumerate(names)}))
    (folder / "test.json").write_text(json.dumps([{"id": name} for name in ids]))
    answers = sorted(zip(ids, labels, strict=True))
    (folder / "test-answers.csv").write_text("".join(f"{name};{names[label]}\n" for name, label in answers))
    scores = rng.standard_normal((60, 174)).astype(np.float32)
    scores[np.arange(60), labels] += 2
    np.savez(workspace.root / "x.npz", ids=np.array(ids), scores=scores)
    place = ("--dataset", "something-v2", "--split", "test")
    rows = []
    for command in (
        ("import", "x.npz", *place),
        ("export", "scores/something-v2/test/x.h5", "--to", "something-v2", "--out", "r.csv"),
        ("import", "r.csv", *place),
    ):
        ran = gsmbench(*command, *(("--format", "json") if command[0] == "import" else ()))
        assert ran.status == 0, ran.err
        rows += json.loads(ran.out)["rows"] if command[0] == "import" else []
    assert 0 < rows[0]["top1"] < rows[0]["top5"] < 1
    assert [rows[1][key] for key in ("top1", "top5")] == [rows[0][key] for key in ("top1", "top5")]
    assert read("scores/something-v2/test/r.h5").classes_per_task == {"action": 174}


LABELS = ("abseiling", "archery", "bowling", "juggling", "ski jump", "zumba")
IDS = ("--07WQ2iBlw", "0wR5jVB-WPk", "3caPS4FHFF8")


def kinetics(change=lambda rows: None):
    rows = {}
    for at, name in enumerate(IDS):
        best = [LABELS[(at + place) % 6] for place in range(5)]
        rows[name] = [{"label": label, "score": 0.5**place / 2} for place, label in enumerate(best)]
    change(rows)
    return json.dumps({"version": "KINETICS VERSION 1.0", "results": rows, "external_data": {"used": False}})


def test_results_for_kinetics(tmp_path):
    content = imported(written(tmp_path / "k.json", kinetics())).content
    assert content.class_names["action"] == LABELS
    assert ranks(content)[1] == [1, 2, 3, 4, 5]
    assert content.kinds["action"] == "log_probabilities"
    assert content.scores["action"][0, 0].tolist() == pytest.approx(
        [*np.log(0.5 ** np.arange(1, 6)), -np.inf], abs=1e-6
    )


def test_results_for_kinetics_are_placed_by_the_start_of_the_id(tmp_path):
    entry = replace(shipped_dataset("kinetics-400"), classes=6)
    rows = [f"{LABELS[at]},{name},{at},{at + 10},test" for at, name in enumerate(IDS[::-1])]
    (tmp_path / "test.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *rows]) + "\n")
    (tmp_path / "classes.txt").write_text("\n".join(LABELS) + "\n")
    split = read_split(entry, "test", tmp_path)
    content = imported(written(tmp_path / "k.json", kinetics()), dataset=entry, split=split).content
    assert list(content.ids) == list(split.ids)
    assert [row[0] for row in ranks(content)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[IDS[0]].pop(), "1 videos list fewer than 5 classes"),
        (lambda rows: rows[IDS[0]][1].update(label=rows[IDS[0]][0]["label"]), "'abseiling' occurs twice"),
        (lambda rows: rows[IDS[0]][1].update(score="0.5"), "labels with finite scores"),
        (lambda rows: rows[IDS[0]][1].update(score=float("nan")), "labels with finite scores"),
        (lambda rows: rows[IDS[0]][1].update(score=True), "labels with finite scores"),
        (lambda rows: rows[IDS[0]][1].pop("score"), "labels with finite scores"),
        (lambda rows: rows[IDS[0]][1].update(label=3), "labels with finite scores"),
        (lambda rows: rows.update({"x": []}), "no known format"),
        (lambda rows: rows.update({"x": 3}), "no known format"),
        (lambda rows: rows.update({"": rows[IDS[0]]}), "has no id"),
    ],
)
def test_odd_results_for_kinetics_are_one_error(tmp_path, change, message):
    with pytest.raises(DumpError, match=message):
        imported(written(tmp_path / "k.json", kinetics(change)))
