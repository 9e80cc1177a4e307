"""Every command of the README runs, in its order, on small files laid out as the README says."""

import json
import pickle
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gsm_bench.cli import COMMANDS  # noqa: E402
from gsm_bench.cli.demo import _copy_scores  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import read, write  # noqa: E402
from tests.conftest import REFERENCE, clip_scores  # noqa: E402
from tests.scoring.toys import make_checkpoint  # noqa: E402
from tests.submit.conftest import epic, save_epic  # noqa: E402, F401

README = Path(__file__).parents[1] / "README.md"
OTHERS = ("inv3_8f", "inv3_16f", "inv3_24f")
"""Models of the README's ensembles whose scores are made up here; those of inv3_12f come from `gsmbench score`."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """The README's command lines, comments cut off."""
    lines = [line.partition("  #")[0].strip() for block in blocks("") for line in block.splitlines()]
    return [line for line in lines if line.startswith("gsmbench ")]


def test_every_command_is_named_in_the_documentation():
    text = (README.parent / "docs" / "commands.md").read_text()
    assert not [name for name in COMMANDS if f"gsmbench {name}" not in text]


def test_links_of_the_documentation_lead_somewhere():
    for page in (README, *(README.parent / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_index_links_every_page():
    folder = README.parent / "docs"
    index = (folder / "index.md").read_text()
    pages = [path.name for path in folder.iterdir() if path.suffix in (".md", ".ipynb") and path.name != "index.md"]
    assert not [name for name in pages if f"]({name})" not in index]


def test_the_readme_is_short():
    words = README.read_text().partition("\n# Reference")[0].split()
    assert len(words) <= 900


@pytest.fixture
def readme_workspace(epic, save_epic):  # noqa: F811
    """Four videos of Something-V1 with a random network, a score dump, and EPIC-100 scores."""
    shutil.copytree(REFERENCE / "e2e", epic.data / "something-v1")
    make_checkpoint(epic, "inv3_12f")
    ids, labels = read_list(epic.data / "something-v1" / "val_videofolder.txt")
    rng = np.random.default_rng(0)
    dump = [
        {"frame_dir": name, "pred_score": row, "gt_label": label}
        for name, row, label in zip(ids, rng.dirichlet(np.ones(174), len(ids)), labels, strict=True)
    ]
    (epic.root / "joint.pkl").write_bytes(pickle.dumps(dump))
    save_epic("epic-100", "validation", "epic100_bninc_16f")
    save_epic("epic-100", "test", "epic100_bninc_16f")
    save_ucf101(epic)
    return epic


def save_ucf101(workspace) -> None:
    """One test video of UCF101, and random weights of torchvision's smallest 3D network for its classes."""
    from torchvision.models.video import r3d_18

    data, name = workspace.data / "ucf101", "Class1/v_Class1_g01_c01"
    frames = data / "frames" / name
    frames.mkdir(parents=True)
    (data / "classInd.txt").write_text("".join(f"{number} Class{number}\n" for number in range(1, 102)))
    (data / "testlist01.txt").write_text(f"{name}.avi\n")
    for number in range(1, 21):
        Image.new("RGB", (40, 30), (12 * number, 90, 0)).save(frames / f"img_{number:05d}.jpg")
    torch.save(r3d_18(num_classes=101).state_dict(), workspace.root / "r3d.pth")


def read_list(path: Path) -> tuple[list[str], list[int]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [row[0] for row in rows], [int(row[2]) for row in rows]


def make_other_scores(workspace) -> None:
    """Score files of the models that the README's ensembles need beside inv3_12f."""
    twelve = workspace.score_path("something-v1", "validation", "inv3_12f")
    ids = read(twelve).ids
    for number, name in enumerate(OTHERS):
        scores = np.random.default_rng(number).standard_normal((len(ids), 2, 174))
        entry = load_manifest(workspace).model(name)
        place = {"dataset": "something-v1", "split": "validation", "model": name, "sampling": {"frames": entry.frames}}
        cost = {"params": 22_207_586, "macs_paper_per_view": 26_847_524_224 * entry.frames // 8}
        write(twelve.with_name(f"{name}.h5"), clip_scores(scores, ids=ids, **place, **cost))


def test_every_command_of_the_readme_runs(readme_workspace, gsmbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = commands()
    assert len(lines) == 21
    for line in lines:
        arguments = shlex.split(line)[1:]
        if arguments == ["demo"]:
            continue  # tests/cli/test_demo.py runs it
        ran = gsmbench(*arguments)
        assert ran.status == 0, f"{line}\n{ran.err}"
        if arguments[:3] == ["score", "--model", "inv3_12f"] and "--plan" not in arguments:
            make_other_scores(readme_workspace)


def test_the_table_of_the_readme_is_that_of_the_shipped_scores(workspace, gsmbench):
    """Each cell of the README's first table, from the score files that ship with the package."""
    _copy_scores(Path("demo"))
    rows = json.loads(
        gsmbench("--workspace", "demo", "table", "4", "--dataset", "shapes", "--format", "json").out
    )["rows"]  # fmt: skip
    measured = {}
    for row in rows:
        gain = f"{100 * row['gain']:+.2f} [{100 * row['gain_low']:+.2f}, {100 * row['gain_high']:+.2f}]" if row.get("gain") is not None else ""  # fmt: skip  # noqa: E501
        title = row["label"].split()[-1] if "En" in row["label"] else row["label"]
        measured[title, row["frames"]] = (f"{row['macs_paper'] / 1e9:.2f}", f"{100 * row['top1']:.2f}", gain)
    table = re.findall(
        r"^\| (.+?) \| ([\dx+]+) \| ([\d.]+) \| ([\d.]+) \| (.*?) ?\|$", README.read_text(), re.MULTILINE
    )
    assert len(table) == 9
    for title, frames, *cells in table:
        assert measured[title, frames] == tuple(cells)


def test_python_of_the_readme_runs(workspace):
    rng = np.random.default_rng(0)
    names = {
        "ids": [f"v{row}" for row in range(20)],
        "logits": rng.standard_normal((20, 5)),
        "labels": rng.integers(0, 5, 20),
    }
    _copy_scores(Path("demo"))
    for block in blocks("python"):
        exec(block, names)
