import json
import re
import subprocess
import sys
from typing import get_args

import click
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from gsm_bench.files import file_sha256  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, open_scores  # noqa: E402
from gsm_bench.settings import FigureKind  # noqa: E402
from gsm_bench.workspace import shipped_manifests  # noqa: E402

NAMES = ("shapes_tsn_8f", "shapes_8f", "shapes_12f", "shapes_16f", "shapes_24f", "shapes_vna_12f")


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_that_ship_are_the_pinned_ones(workspace, name):
    entry = load_manifest(workspace).model(name)
    assert file_sha256(workspace.checkpoint_path(entry.checkpoint.file)) == entry.checkpoint.sha256


def test_demo_end_to_end_and_again(gsmbench, workspace, monkeypatch):
    ran = gsmbench("demo", "--dir", "one", "--videos", 28)
    assert ran.status == 0, ran.err
    assert "12. Draw the figures of a paper" in ran.err
    for kind in get_args(FigureKind):
        assert (workspace.root / f"one/reports/{kind}.png").read_bytes().startswith(b"\x89PNG"), kind
    assert "</html>" in (workspace.root / "one/reports/report.html").read_text()
    table = json.loads(gsmbench("--workspace", "one", "table", "4", "--dataset", "shapes", "--format", "json").out)[
        "rows"
    ]
    assert len(table) == 14
    assert all(row["total"] == 28 for row in table)
    tsn, gsm = table[0]["top1"], table[1]["top1"]
    assert tsn <= 0.5 < gsm, "half of each pair is all that single frames can tell"
    files = [f"one/scores/shapes/val/{name}.reversed.h5" for name in ("shapes_tsn_8f", "shapes_8f")]
    backwards = json.loads(gsmbench("--workspace", "one", "evaluate", *files, "--format", "json").out)["rows"]
    assert [row["frames"] for row in backwards] == ["reversed 8", "reversed 8"]
    assert backwards[0]["top1"] == tsn, "time is nothing to TSN"
    assert backwards[1]["top1"] < gsm - 0.25
    assert max(map(len, ran.out.splitlines())) <= 160  # the width in a pipe
    again = gsmbench("demo", "--dir", "one")
    assert again.status == 1
    assert "empty directory" in again.err
    monkeypatch.setattr("gsm_bench.cli.demo._result_steps", lambda _: [])
    assert gsmbench("demo", "--dir", "two", "--videos", 28).status == 0
    for path in sorted((workspace.root / "one/scores").rglob("*.h5")):
        assert content_hash(path) == content_hash(workspace.root / "two" / path.relative_to(workspace.root / "one")), (
            path.name
        )


def test_a_demo_that_was_interrupted_goes_on(gsmbench, workspace, monkeypatch):
    from gsm_bench.cli import demo

    def killed(directory, arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(demo, "_result_steps", lambda _: [("Stop", [])])
        patched.setattr(demo, "_run", killed)
        with pytest.raises(click.Abort):
            demo.command.main(
                ["--from-scores", "--dir", "one"], standalone_mode=False, help_option_names=["-h", "--help"]
            )
    first = next((workspace.root / "one/scores").rglob("*.h5"))
    whole = first.read_bytes()
    first.unlink()
    assert "empty directory" in gsmbench("demo", "--dir", "one", "--videos", 28).err, "other options are another demo"
    monkeypatch.setattr(demo, "_result_steps", lambda _: [])
    assert gsmbench("demo", "--from-scores", "--dir", "one").status == 0
    assert first.read_bytes() == whole
    assert "empty directory" in gsmbench("demo", "--from-scores", "--dir", "one").err


def test_demo_from_scores_needs_no_torch(workspace):
    """Table 4 and a search from the shipped score files, with torch made impossible to import."""
    block = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'av')))\n"
        "from gsm_bench.cli import main\nmain(sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", block, "demo", "--from-scores"], cwd=workspace.root, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"8x2\+12x2\+16\+24 +2\.66 +1\.02 +96\.25", ran.stdout)
    assert "shapes_8f@2 + shapes_12f@2 + shapes_24f" in ran.stdout
    assert "</html>" in (workspace.root / "demo/reports/report.html").read_text()


def test_shipped_scores_hold_nothing_of_a_machine():
    folder = shipped_manifests() / "shapes" / "scores"
    files = sorted(folder.rglob("*.h5"))
    assert len(files) == 8
    for path in files:
        with open_scores(path) as file:
            assert file.head.provenance.list_path is None
            assert not re.search(r"/(work|tmp|home|root)/", file.head.provenance.to_json())


def test_shapes_make(gsmbench, workspace):
    ran = gsmbench("shapes", "make", "data/shapes", "--clips", 4, "--workers", 1)
    assert ran.status == 0
    assert ran.out.strip() == "data/shapes/val_videofolder.txt"
    assert re.search(r"4 videos written, 0 existed already; sha256 [0-9a-f]{64}", ran.err)
    assert "0 videos written, 4 existed already" in gsmbench("shapes", "make", "data/shapes", "--videos", 4).err
    assert gsmbench("shapes", "make", "data/shapes", "--clips", 8).status == 1


def test_train_then_score(gsmbench, workspace):
    for split in ("train", "val"):
        assert gsmbench("shapes", "make", "data/shapes", "--split", split, "--clips", 4, "--workers", 1).status == 0
    ran = gsmbench(
        "train",
        "--data",
        "data/shapes",
        "--out",
        "mine.safetensors",
        "--frames",
        2,
        "--epochs",
        1,
        "--batch",
        2,
        "--threads",
        1,
    )
    assert ran.status == 0, ran.err
    assert re.search(r"mine.safetensors: top-1 \d+\.\d\d, frames reversed \d+\.\d\d", ran.out)
    assert gsmbench("train", "--data", "data/shapes", "--out", "mine.safetensors", "--frames", 2).status == 1
    assert (
        gsmbench(
            "models", "add", "mine", "--like", "shapes_8f", "--checkpoint", "mine.safetensors", "--frames", 2
        ).status
        == 0
    )
    assert gsmbench("score", "--model", "mine").status == 0


def test_figure_without_scores(gsmbench, workspace):
    ran = gsmbench("figure", "accuracy-cost", "--dataset", "shapes")
    assert ran.status == 1
    assert "no row of table 4 has scores yet" in ran.err
    assert "accuracy-cost is called complexity now" in ran.err
    ran = gsmbench("figure", "complexity", "--numbers", "printed.csv")
    assert (ran.status, ran.out.split()) == (0, ["reports/complexity.pdf", "printed.csv"])
    assert "GSM 16x2 InceptionV3" in (workspace.root / "printed.csv").read_text(), "printed rows need no scores"
    ran = gsmbench("figure", "all")
    assert ran.status == 1
    assert "no score file of a registered model" in ran.err
