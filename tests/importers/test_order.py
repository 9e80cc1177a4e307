"""Which video a row is: by id, or unverified. Labels prove an order only where each occurs once."""

import numpy as np
import pytest

from gsm_bench.scorefile import read, write
from gsm_bench.splits import ids_sha256
from tests.conftest import clip_scores
from tests.importers import dumps


@pytest.fixture
def listed(toy_labels, workspace):
    """The toy split's ids and labels, and logits that are mostly right."""
    ids = [f"v{row}" for row in range(60)]
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((60, 5)).astype(np.float32)
    logits[np.arange(60), toy_labels] += 2
    return ids, toy_labels, logits


def save(path, logits, labels=None, ids=None):
    names = {} if ids is None else {"ids": np.array(ids)}
    known = {} if labels is None else {"labels": labels}
    np.savez(path, scores=logits, **known, **names)


TOY = ("--dataset", "toy", "--split", "val")


def test_rows_without_ids_stay_unverified_where_all_labels_agree(listed, gsmbench, workspace):
    _, labels, logits = listed
    save("x.npz", logits, labels)
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 0, ran.err
    content = read(workspace.score_path("toy", "val", "x"))
    assert list(content.ids)[:2] == ["row-00000", "row-00001"]
    assert np.array_equal(content.scores["action"][:, 0], logits)
    assert content.order == "unverified"
    assert content.provenance.split_sha256 is None
    assert content.class_names["action"] == ("ape", "bee", "cat", "dog", "elk")
    assert "60 videos and all labels of toy/val agree" in ran.err
    assert "Labels leave 60 of 60 rows open" in ran.err
    ran = gsmbench("evaluate", "scores/toy/val/x.h5")
    assert ran.status == 0
    assert "Order unverified" in ran.out


def test_labels_that_occur_once_each_prove_the_order(listed, gsmbench, workspace):
    listed_file = workspace.data / "toy" / "val.txt"
    listed_file.write_text("".join(listed_file.read_text().splitlines(keepends=True)[:4]))
    labels = np.array([int(line.split()[-1]) for line in listed_file.read_text().splitlines()])
    if len(set(labels.tolist())) < 4:
        labels = np.arange(4)
        rows = [line.split() for line in listed_file.read_text().splitlines()]
        listed_file.write_text("".join(f"{name} {frames} {at}\n" for at, (name, frames, _) in enumerate(rows)))
    save("x.npz", listed[2][:4], labels)
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 0, ran.err
    assert "no label occurs twice" in ran.err
    content = read(workspace.score_path("toy", "val", "x"))
    assert (content.order, list(content.ids)) == ("ids", ["v0", "v1", "v2", "v3"])
    assert content.provenance.split_sha256 == ids_sha256(["v0", "v1", "v2", "v3"])


@pytest.mark.parametrize("change", ["label", "count", "none"])
def test_rows_without_ids_are_not_guessed(change, listed, gsmbench, workspace):
    _, labels, logits = listed
    if change == "label":
        labels = labels.copy()
        labels[7] = (labels[7] + 1) % 5
        says = "1 of 60 action labels differ from those of toy/val row by row, first in row 7"
    elif change == "count":
        logits, labels = logits[:-1], labels[:-1]
        says = "59 rows without ids, toy/val has 60 videos"
    else:
        labels = None
        says = "neither video ids nor labels"
    save("x.npz", logits, labels)
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 1
    assert says in ran.err
    assert not list(workspace.scores.rglob("*.h5"))


def test_trn_rows_sorted_by_name_are_put_back(listed, gsmbench, workspace):
    ids, labels, logits = listed
    order = sorted(range(60), key=lambda row: ids[row])  # v0 v1 v10 v11 ..
    rows = np.empty(60, object)
    for at, row in enumerate(order):
        rows[at] = np.stack([logits[row], logits[row] + 1])[:, None]
    np.savez("trn.npz", scores=rows, labels=labels[order])
    ran = gsmbench("import", "trn.npz", *TOY)
    assert ran.status == 0, ran.err
    assert "they were put back in the list's order" in ran.err
    content = read(workspace.score_path("toy", "val", "trn"))
    assert content.order == "unverified"
    assert np.array_equal(content.scores["action"][:, 0], logits)
    assert np.array_equal(content.scores["action"][:, 1], logits + 1)
    assert content.labels["action"].tolist() == labels.tolist()


def test_a_list_gives_the_ids_where_the_dump_has_no_labels(listed, gsmbench, workspace):
    ids, labels, logits = listed
    order = np.random.default_rng(0).permutation(60)
    dumps.dump(workspace.root / "old.pkl", list(logits[order]))
    (workspace.root / "tested.txt").write_text("".join(f"videos/{ids[row]}.mp4 {labels[row]}\n" for row in order))
    ran = gsmbench("import", "old.pkl", *TOY, "--ids", "tested.txt")
    assert ran.status == 0, ran.err
    assert "row by row, as declared" in ran.err
    content = read(workspace.score_path("toy", "val", "old"))
    assert list(content.ids) == ids
    assert np.array_equal(content.scores["action"][:, 0], logits)
    (workspace.root / "tested.txt").write_text("v1\nv2\n")
    assert "2 ids for 60 rows" in gsmbench("import", "old.pkl", *TOY, "--ids", "tested.txt", "--force").err


def test_ids_are_matched_whatever_their_order_and_ending(listed, gsmbench, workspace):
    ids, labels, logits = listed
    order = np.random.default_rng(0).permutation(60)
    save("x.npz", logits[order], labels[order], [f"videos/{ids[row]}.webm" for row in order])
    assert gsmbench("import", "x.npz", *TOY).status == 0
    content = read(workspace.score_path("toy", "val", "x"))
    assert np.array_equal(content.scores["action"][:, 0], logits)


def test_clips_that_the_dump_lacks_are_named(listed, gsmbench, workspace):
    ids, labels, logits = listed
    keep = [row for row in range(60) if row not in (4, 9)]
    save("x.npz", logits[keep], labels[keep], [ids[row] for row in keep])
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 3
    assert "2 of its videos are not in the source" in ran.err
    assert "2 videos without a score: v4, v9" in ran.out
    content = read(workspace.score_path("toy", "val", "x"))
    assert np.flatnonzero(content.status == 2).tolist() == [4, 9]
    assert np.isnan(content.scores["action"][[4, 9]]).all()
    assert content.problems == {"v4": "not in the source", "v9": "not in the source"}


def test_rows_that_are_not_numbers_are_not_scores(listed, gsmbench, workspace):
    ids, labels, logits = listed
    logits[5] = np.nan
    save("x.npz", logits, labels, ids)
    assert gsmbench("import", "x.npz", *TOY).status == 3
    assert read(workspace.score_path("toy", "val", "x")).problems == {"v5": "the source's scores are not numbers"}


def test_clips_of_another_split_are_refused(listed, gsmbench, workspace):
    ids, labels, logits = listed
    save("x.npz", logits, labels, ["other", *ids[1:]])
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 1
    assert "1 of 60 videos are not in toy/val, first 'other'; its first video is 'v0'" in ran.err


def test_labels_that_contradict_the_ids_are_refused(listed, gsmbench, workspace):
    ids, labels, logits = listed
    wrong = labels.copy()
    wrong[3] = (wrong[3] + 1) % 5
    save("x.npz", logits, wrong, ids)
    ran = gsmbench("import", "x.npz", *TOY)
    assert ran.status == 1
    assert f"first of video 'v3': {wrong[3]} in the source, {labels[3]} in the list" in ran.err


def test_another_number_of_classes_is_refused(listed, gsmbench, workspace):
    _, labels, logits = listed
    save("x.npz", np.concatenate([logits, logits], axis=1), labels)
    ran = gsmbench("import", "x.npz", *TOY)
    assert "the source has 10 action classes, toy has 5 action" in ran.err


def test_a_model_and_an_imported_file_fuse_in_one_line(listed, gsmbench, workspace, save_scores):
    ids, labels, logits = listed
    save_scores("toy_4f", np.stack([logits, logits], axis=1))
    sums = dumps.softmax(np.stack([logits] * 3, axis=1)).sum(1)
    save("slow.npz", sums.astype(np.float32), labels, ids)
    assert (
        gsmbench(
            "import",
            "slow.npz",
            *TOY,
            "--macs",
            "65.7G",
            "--params",
            "34.6M",
            "--frames",
            "32",
            "--kind",
            "softmax_sums",
        ).status
        == 0
    )
    members = "toy_4f,scores/toy/val/slow.h5"
    ran = gsmbench("ensemble", "--members", members)
    assert ran.status == 1
    assert "toy_4f holds logits, slow holds probabilities" in ran.err
    ran = gsmbench("ensemble", "--members", members, "--space", "probabilities", "--out", "fused.h5")
    assert ran.status == 0, ran.err
    assert "toy_4f: logits converted to probabilities" in ran.err
    assert "32x3" in ran.out
    assert "197.10" in ran.out  # 3 views of 65.7
    assert "GFLOPs of slow were given at import" in ran.out
    ran = gsmbench("ensemble", "--members", members, "--explain")
    assert "their clip offsets are unknown" in ran.out
    ran = gsmbench("ensemble", "--members", f"{members}@3", "--space", "probabilities")
    assert "@3 is impossible" in ran.err
    fused = read("fused.h5")
    assert np.allclose(fused.scores["action"][:, 0], dumps.softmax(logits), atol=1e-6)


def test_unverified_rows_fuse_only_with_their_equals(listed, gsmbench, workspace):
    ids, labels, logits = listed
    save("a.npz", logits, labels)
    save("b.npz", logits[::-1].copy(), labels)
    save("c.npz", logits, labels[::-1].copy())
    save("d.npz", logits, labels, ids)
    for name in "abcd":
        assert gsmbench("import", f"{name}.npz").status == 0
    imported = "scores/imported/{}.h5,scores/imported/{}.h5"
    ran = gsmbench("ensemble", "--members", imported.format("a", "b"))
    assert ran.status == 0
    assert "Order unverified" in ran.out
    for other in "cd":
        ran = gsmbench("ensemble", "--members", imported.format("a", other))
        assert ran.status == 1
        assert "--ids LIST" in ran.err


def test_import_overwrites_nothing_unasked(listed, gsmbench, workspace):
    _, labels, logits = listed
    save("x.npz", logits, labels)
    assert gsmbench("import", "x.npz").status == 0
    ran = gsmbench("import", "x.npz")
    assert ran.status == 1
    assert "--force" in ran.err
    assert gsmbench("import", "x.npz", "--force").status == 0


def test_provenance_names_source_hash_and_assumptions(listed, gsmbench, workspace):
    import hashlib
    from pathlib import Path

    _, labels, logits = listed
    save("x.npz", logits, labels)
    gsmbench("import", "x.npz", "--name", "mine", "--params", "34.6M")
    provenance = read("scores/imported/mine.h5").provenance
    digest = hashlib.sha256(Path("x.npz").read_bytes()).hexdigest()
    assert provenance.source_sha256 == digest
    assert provenance.imported_from == "x.npz"
    assert provenance.source_format == "gsf"
    assert provenance.params == 34_600_000
    assert provenance.checkpoint_sha256 is None
    assert any("logits" in line for line in provenance.assumptions)
    assert any("row-00000" in line for line in provenance.assumptions)
    assert digest in provenance.signature


def test_usage_is_explained(gsmbench, workspace):
    assert gsmbench("import").status == 2
    assert "go with --dataset" in gsmbench("import", "x", "--split", "val").err
    assert "34.6M" in gsmbench("import", "x", "--params", "many").err


def test_labels_of_the_split_are_used_where_the_dump_has_none(listed, gsmbench, workspace):
    ids, _, logits = listed
    save("x.npz", logits, None, ids)
    ran = gsmbench("import", "x.npz", *TOY, "--format", "csv")
    assert "hits1" in ran.out
    assert not read(workspace.score_path("toy", "val", "x")).labels
    assert gsmbench("evaluate", "scores/toy/val/x.h5").status == 0


def test_an_import_outlives_its_list(listed, gsmbench, workspace, tmp_path):
    """Where the list is gone, the labels that the file carries still tell the accuracy."""
    import shutil

    ids, labels, logits = listed
    save("x.npz", logits, labels, ids)
    gsmbench("import", "x.npz", *TOY)
    shutil.rmtree(workspace.data)
    assert gsmbench("evaluate", "scores/toy/val/x.h5").status == 0


def test_score_files_need_no_import(workspace, gsmbench):
    write("x.h5", clip_scores(np.zeros((3, 2, 5))))
    ran = gsmbench("import", "x.h5")
    assert ran.status == 1
    assert "a score file needs no import" in ran.err
