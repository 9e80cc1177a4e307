"""Dumps of EPIC models beside the organisers' own lists."""

import json

import numpy as np

from gsm_bench.scorefile import read
from tests.conftest import reference_module
from tests.epic_files import write_epic_100
from tests.importers import dumps


def test_a_dump_of_the_real_validation_split(real, gsmbench, workspace):
    """9,668 segments in another order, sums over 3 views; accuracies are those of the averaged views."""
    import csv

    folder = workspace.data / "epic-100"
    folder.parent.mkdir()
    folder.symlink_to(real / "epic100")
    with (real / "epic100" / "EPIC_100_validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    ids = np.array([row["narration_id"] for row in rows])
    labels = {task: np.array([int(row[f"{task}_class"]) for row in rows]) for task in ("verb", "noun")}
    noisy = reference_module("scores").noisy_logits
    sums = {}
    for task, classes in (("verb", 97), ("noun", 300)):
        sums[task] = sum(dumps.softmax(noisy(labels[task], classes, seed=view)) for view in range(3)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(ids))
    arrays = {f"{task}_output": values[order] for task, values in sums.items()}
    dumps.dump(workspace.root / "slowfast.pkl", {**arrays, "narration_id": ids[order]})
    ran = gsmbench("import", "slowfast.pkl", "--dataset", "epic-100", "--split", "validation", "--format", "json")
    assert ran.status == 0, ran.err
    assert "sums of the softmax of 3 views" in ran.err
    content = read("scores/epic-100/validation/slowfast.h5")
    assert list(content.ids) == ids.tolist()
    assert np.allclose(content.scores["noun"][:, 0], sums["noun"] / 3, atol=1e-7)
    assert content.class_names["verb"][:2] == ("take", "put")
    row = json.loads(ran.out)["rows"][0]
    for task in ("verb", "noun"):
        assert row[f"{task}_top1"] == (sums[task].argmax(1) == labels[task]).mean()
    again = gsmbench("evaluate", "scores/epic-100/validation/slowfast.h5", "--parts", "--format", "json")
    assert again.status == 0, again.err


def test_class_names_per_task(gsmbench, workspace):
    """Nouns in another order, given by name; verbs as they stand."""
    write_epic_100(workspace.data / "epic-100")
    ids = ["P01_11_0", "P01_11_1", "P18_02_0"]
    rng = np.random.default_rng(0)
    verb, noun = (rng.standard_normal((3, classes)).astype(np.float32) for classes in (97, 300))
    order = rng.permutation(300)
    dumps.dump(
        workspace.root / "x.pkl", {"verb_output": verb, "noun_output": noun[:, order], "narration_id": np.array(ids)}
    )
    (workspace.root / "nouns.txt").write_text("\n".join(f"noun {at}" for at in order))
    ran = gsmbench("import", "x.pkl", "--dataset", "epic-100", "--classes", "noun=nouns.txt")
    assert ran.status == 0, ran.err
    content = read("scores/epic-100/validation/x.h5")
    assert np.array_equal(content.scores["noun"][:, 0], noun)
    assert np.array_equal(content.scores["verb"][:, 0], verb)
    ran = gsmbench("import", "x.pkl", "--dataset", "epic-100", "--classes", "nouns.txt", "--force")
    assert "no task 'action'" in ran.err


def test_a_dump_of_the_other_data_set_is_refused(gsmbench, workspace):
    write_epic_100(workspace.data / "epic-100")
    dumps.dump(workspace.root / "x.pkl", {"verb_output": np.zeros((3, 125)), "noun_output": np.zeros((3, 352)) - 1})
    ran = gsmbench("import", "x.pkl", "--dataset", "epic-100", "--kind", "logits")
    assert ran.status == 1
    assert "the source has 125 verb classes, epic-100 has 97 verb" in ran.err
