"""mmaction2's own dumps, as they are: accuracies from the project's documentation of its fusion script."""

import json

import numpy as np
import pytest

from gsm_bench.importers.class_order import by_name, read_names
from gsm_bench.scorefile import read

JOINT, BONE = "scores/imported/joint.h5", "scores/imported/bone.h5"


@pytest.fixture
def imported(real, gsmbench, workspace):
    for name in ("joint", "bone"):
        ran = gsmbench("import", real / "mmaction2" / f"{name}.pkl")
        assert ran.status == 0, ran.err


def rows(ran):
    return {
        row["label"]: (f"{100 * row['top1']:.2f}", f"{100 * row['top5']:.2f}") for row in json.loads(ran.out)["rows"]
    }


def test_accuracies_of_the_real_dumps(imported, gsmbench):
    equal = rows(gsmbench("ensemble", "--members", f"{JOINT},{BONE}", "--format", "json"))
    assert equal == {"joint": ("91.67", "98.33"), "bone": ("93.33", "98.33"), "ensemble": ("93.33", "98.33")}
    double = rows(gsmbench("ensemble", "--members", f"{JOINT},{BONE}", "--weights", "2,1", "--format", "json"))
    assert double["ensemble"] == ("90.00", "98.33")


def test_nothing_is_lost_on_the_way_back(imported, gsmbench, real):
    import pickle

    pytest.importorskip("torch")
    for name in ("joint", "bone"):
        assert gsmbench("export", f"scores/imported/{name}.h5", "--to", "mmaction2", "--out", f"{name}.pkl").status == 0
        with open(f"{name}.pkl", "rb") as mine, (real / "mmaction2" / f"{name}.pkl").open("rb") as theirs:  # noqa: PTH123
            pairs = list(zip(pickle.load(mine), pickle.load(theirs), strict=True))
        for content, expected in pairs:
            assert content["gt_label"].equal(expected["gt_label"])
            assert content["pred_score"].equal(expected["pred_score"])
            assert content["pred_score"].dtype == expected["pred_score"].dtype


def test_what_the_file_says(imported):
    content = read(JOINT)
    assert (len(content), content.kinds, content.classes_per_task) == (60, {"action": "probabilities"}, {"action": 120})
    assert content.order == "unverified"
    assert content.labels["action"].shape == (60,)


def test_torch_is_not_needed(real, workspace):
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['torch'] = None\nfrom gsm_bench.cli import main\n"
        f"main(['import', {str(real / 'mmaction2' / 'joint.pkl')!r}])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_packages_that_are_missing_are_named(workspace):
    """Files of torch and parquet tables need packages: errors name them."""
    import subprocess
    import sys

    from tests.importers.hostile import zipped

    (workspace.root / "x.pt").write_bytes(zipped({"a/data.pkl": b"\x80\x02]K\x01a.", "a/version": b"3"}))
    (workspace.root / "x.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    block = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'pyarrow'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from gsm_bench.cli import main\nmain(sys.argv[1:])"
    )
    for file, extra in (("x.pt", "score"), ("x.parquet", "parquet")):
        ran = subprocess.run(
            [sys.executable, "-c", block, "import", file],
            cwd=workspace.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 1
        assert f"pip install 'gsm-bench[{extra}]'" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_something_v1_of_mmaction2_and_of_gsm(real):
    """Sorted names, as GSM has them, and the label file's order, as mmaction2 keeps it, agree at one place."""
    path = real / "mmaction2" / "sthv1_label_map.txt"
    source = read_names(path)
    target = tuple(sorted(source))
    content = by_name(source, target, path)
    assert len(source) == 174
    assert content.agreeing == 1
    scores = np.arange(174, dtype=np.float32)[None, None]  # column = number of the source
    assert [source[int(column)] for column in content.scores(scores)[0, 0]] == list(target)
    labels = content.labels(np.array([0, 5, 173, -1]))
    assert [target[label] for label in labels[:3]] == [source[0], source[5], source[173]]
    assert labels[3] == -1
