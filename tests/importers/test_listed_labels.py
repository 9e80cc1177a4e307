"""Labels from a list beside the dump: `import --labels`."""

import json

import numpy as np
import pytest

from gsm_bench.scorefile import read


@pytest.fixture
def scored(workspace):
    """Ids, labels int [40] and logits of a dump without labels, as x.npz."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 40)
    logits = rng.standard_normal((40, 4)).astype(np.float32)
    logits[np.arange(40), labels] += 3
    ids = [f"v{row}" for row in range(40)]
    np.savez("x.npz", ids=np.array(ids), scores=logits)
    return ids, labels


def imported(gsmbench, workspace, *options):
    ran = gsmbench("import", "x.npz", "--force", *options)
    content = read(workspace.scores / "imported" / "x.h5") if ran.status == 0 else None
    return ran, content


LISTS = {
    "spaces": lambda ids, labels: "".join(f"{name} {label}\n" for name, label in zip(ids, labels, strict=True)),
    "shuffled": lambda ids, labels: "".join(f"{ids[at]} {labels[at]}\n" for at in np.argsort(np.array(ids))[::-1]),
    "frames": lambda ids, labels: "".join(f"{name} 33 {label}\n" for name, label in zip(ids, labels, strict=True)),
    "csv": lambda ids, labels: "video,class\n" + "".join(f"{n},{at}\n" for n, at in zip(ids, labels, strict=True)),
    "paths": lambda ids, labels: "".join(f"a/{name}.mp4 {label}\n" for name, label in zip(ids, labels, strict=True)),
    "more": lambda ids, labels: "".join(f"{n} {at}\n" for n, at in zip([*ids, "w"], [*labels, 3], strict=True)),
}


@pytest.mark.parametrize("form", LISTS)
def test_labels_of_a_list_go_with_their_videos(form, scored, gsmbench, workspace):
    ids, labels = scored
    (workspace.root / "labels.txt").write_text(LISTS[form](ids, labels))
    ran, content = imported(gsmbench, workspace, "--labels", "labels.txt")
    assert ran.status == 0, ran.err
    assert content.labels["action"].tolist() == labels.tolist()
    assert "labels are those of labels.txt" in ran.err


def test_class_names_need_their_order(scored, gsmbench, workspace):
    ids, labels = scored
    rows = "".join(f"{name},c{label}\n" for name, label in zip(ids, labels, strict=True))
    (workspace.root / "labels.csv").write_text("id,label\n" + rows)
    ran, _ = imported(gsmbench, workspace, "--labels", "labels.csv")
    assert ran.status == 1
    assert "--classes FILE" in ran.err
    (workspace.root / "classes.txt").write_text("c0\nc1\nc2\nc3\n")
    ran, content = imported(gsmbench, workspace, "--labels", "labels.csv", "--classes", "classes.txt")
    assert content.labels["action"].tolist() == labels.tolist()


def test_labels_from_1(scored, gsmbench, workspace):
    ids, labels = scored
    (workspace.root / "labels.txt").write_text(LISTS["spaces"](ids, labels + 1))
    ran, _ = imported(gsmbench, workspace, "--labels", "labels.txt")
    assert ran.status == 1
    assert "--first-label 1" in ran.err
    ran, content = imported(gsmbench, workspace, "--labels", "labels.txt", "--first-label", "1")
    assert content.labels["action"].tolist() == labels.tolist()


def test_videos_that_the_list_lacks_have_no_label(scored, gsmbench, workspace):
    ids, labels = scored
    (workspace.root / "labels.txt").write_text(LISTS["spaces"](ids[:30], labels[:30]))
    ran, content = imported(gsmbench, workspace, "--labels", "labels.txt", "--format", "json")
    assert "which lacks 10 of 40 videos" in ran.err
    assert content.labels["action"][30:].tolist() == [-1] * 10
    assert json.loads(ran.out)["rows"][0]["scored"] == 30


def test_the_dumps_own_labels_are_counted_where_they_differ(scored, gsmbench, workspace):
    ids, labels = scored
    np.savez("x.npz", ids=np.array(ids), scores=np.load("x.npz")["scores"], labels=np.zeros(40, int))
    (workspace.root / "labels.txt").write_text(LISTS["spaces"](ids, labels))
    ran, content = imported(gsmbench, workspace, "--labels", "labels.txt")
    assert f"the source's own labels differ for {(labels > 0).sum()} videos" in ran.err
    assert content.labels["action"].tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other 1\n", "none of the 40 videos"),
        ("v0 1\nv0 2\n", "Duplicate id"),
        ("v0\nv1\n", "no labels"),
        ("v0 7\n", "not among the 4 classes"),
        ("", "empty"),
        ("v0,x,1,3,y\n", "no header"),
    ],
)
def test_other_lists_are_one_error(text, message, scored, gsmbench, workspace):
    (workspace.root / "labels.txt").write_text(text)
    ran, _ = imported(gsmbench, workspace, "--labels", "labels.txt")
    assert ran.status == 1
    assert message in ran.err
    assert ran.err.count("error:") == 1


def test_rows_without_ids_need_them(scored, gsmbench, workspace):
    ids, labels = scored
    np.savez("x.npz", scores=np.load("x.npz")["scores"])
    (workspace.root / "labels.txt").write_text(LISTS["spaces"](ids, labels))
    ran, _ = imported(gsmbench, workspace, "--labels", "labels.txt")
    assert ran.status == 1
    assert "--ids FILE" in ran.err
    ran, content = imported(gsmbench, workspace, "--labels", "labels.txt", "--ids", "labels.txt")
    assert content.labels["action"].tolist() == labels.tolist()


def test_frames_that_no_member_knows_are_one_question_mark(scored, gsmbench, workspace):
    ids, labels = scored
    (workspace.root / "labels.txt").write_text(LISTS["spaces"](ids, labels))
    for name in ("x", "y"):
        assert gsmbench("import", "x.npz", "--labels", "labels.txt", "--name", name).status == 0
    members = "scores/imported/x.h5,scores/imported/y.h5"
    rows = json.loads(gsmbench("ensemble", "--members", members, "--format", "json").out)["rows"]
    assert [row["frames"] for row in rows] == ["?", "?", "?"]
