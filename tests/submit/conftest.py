"""A workspace with small EPIC-KITCHENS lists and score files of them."""

import shutil

import numpy as np
import pytest

from gsm_bench.manifest import load_manifest
from gsm_bench.scorefile import ClipScores, views_array, write
from gsm_bench.splits import read_split
from tests.epic_files import CLASSES_55, CLASSES_100, write_epic_55, write_epic_100


@pytest.fixture
def epic(workspace):
    write_epic_55(workspace.data / "epic-55")
    write_epic_100(workspace.data / "epic-100")
    return workspace


@pytest.fixture
def save_epic(epic):
    """Write a score file of an EPIC split; returns its path. `change` edits the content before it is written."""

    def save(dataset, split, name, *, seed=0, head=False, offsets=(0.0, 0.5), change=None, kind="logits", **provenance):
        listed = read_split(load_manifest(epic).dataset(dataset), split, epic.data / dataset)
        classes = dict(CLASSES_55 if dataset == "epic-55" else CLASSES_100)
        if head:
            classes["action"] = len(listed.class_names["action"])
        rng = np.random.default_rng([seed, len(listed)])
        scores = {
            t: 3 * rng.standard_normal((len(listed), len(offsets), c)).astype(np.float32) for t, c in classes.items()
        }
        content = ClipScores(
            ids=listed.ids,
            kinds=dict.fromkeys(scores, kind),
            classes_per_task=classes,
            views=views_array(tuple(offsets), 1),
            status=np.zeros(len(listed), np.uint8),
            provenance={
                "model": name, "dataset": dataset, "split": split,
                "signature": f"network={name}; seed={seed}; split={dataset}/{split}/{listed.sha256}; batch=2",
                **provenance,
            },
            class_names={task: names for task, names in listed.class_names.items() if task in classes},
            scores=scores,
        )  # fmt: skip
        path = epic.score_path(dataset, split, name)
        write(path, change(content) if change else content, force=True)
        return path

    return save


LEVELS = ("--sls-pt", 1, "--sls-tl", 3, "--sls-td", 3)


_SUBMITTED: dict[tuple[object, ...], tuple[str, dict[str, bytes]]] = {}


def _submitted(workspace, save_epic, gsmbench, scores, *command):
    """The file that `submit` writes for made-up scores; the command runs once per process, later its files are copied."""
    beside_others = (workspace.submissions / "ledger.jsonl").exists()
    if beside_others or command not in _SUBMITTED:
        save_epic(*scores, "mine")
        ran = gsmbench("submit", *command)
        assert ran.status == 0, ran.err
        shutil.rmtree(workspace.root / "logs")
        if beside_others:
            return workspace.root / ran.out.strip()
        written = [*workspace.submissions.rglob("*"), workspace.score_path(*scores, "mine")]
        files = {str(path.relative_to(workspace.root)): path.read_bytes() for path in written if path.is_file()}
        _SUBMITTED[command] = ran.out.strip(), files
    printed, files = _SUBMITTED[command]
    for name, content in files.items():
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return workspace.root / printed


@pytest.fixture
def submitted_zip(epic, save_epic, gsmbench):
    """A valid EPIC-100 zip that is in the ledger."""
    return _submitted(epic, save_epic, gsmbench, ("epic-100", "test"), "epic100", *LEVELS)


@pytest.fixture
def submitted_json(epic, save_epic, gsmbench):
    """A valid EPIC-55 seen.json with actions that is in the ledger."""
    return _submitted(epic, save_epic, gsmbench, ("epic-55", "s1"), "epic", "--split", "s1")
