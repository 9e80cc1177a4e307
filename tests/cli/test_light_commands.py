import csv
import io
import json
import re

import click
import numpy as np
import pytest

from gsm_bench.cli import COMMANDS, SECTIONS, cli
from gsm_bench.scorefile import read
from tests.conftest import edited_h5, reference_module


@pytest.fixture
def scored(toy_labels, save_scores):
    """Two members on the labelled toy split; the second with two unscored clips."""
    arrays = {}
    for seed, name in enumerate(("a", "b")):
        logits = [reference_module("scores").noisy_logits(toy_labels, 5, seed=seed * 2 + view) for view in range(2)]
        arrays[name] = np.stack(logits, axis=1)
    save_scores(
        "a",
        arrays["a"],
        provenance={"params": 10, "macs_paper_per_view": 2_000_000_000, "macs_bare_per_view": 1_000_000_000},
    )
    holes = arrays["b"].copy()
    holes[[3, 8]] = np.nan
    status = np.zeros(60, int)
    status[[3, 8]] = 2
    save_scores(
        "b",
        holes,
        status=status,
        provenance={"params": 20, "macs_paper_per_view": 4_000_000_000, "macs_bare_per_view": 1},
    )
    return arrays


def rows(ran):
    return json.loads(ran.out)["rows"]


def test_evaluate_gives_every_protocol(gsmbench, scored, toy_labels):
    ran = gsmbench("evaluate", "scores/toy/val/a.h5", "--format", "json")
    assert ran.status == 0
    one, two = rows(ran)
    fuse = reference_module("plain").fuse
    assert (one["frames"], one["top1"], one["top5"]) == ("4", *fuse([scored["a"][:, 1:]], toy_labels))
    assert (two["frames"], two["top1"]) == ("4x2", fuse([scored["a"]], toy_labels)[0])
    assert (two["macs_paper"], two["params"]) == (4_000_000_000, 10)


def test_incomplete_files_give_an_interval_name_the_clips_and_exit_3(gsmbench, scored):
    ran = gsmbench("evaluate", "scores/toy/val/b.h5", "--format", "json")
    assert ran.status == 3
    row = rows(ran)[0]
    assert (row["scored"], row["total"]) == (58, 60)
    assert row["top1"] == row["hits1"] / 58
    assert (row["top1_low"], row["top1_high"]) == (row["hits1"] / 60, (row["hits1"] + 2) / 60)
    assert "2 videos without a score: v3, v8" in ran.out
    drawn = gsmbench("evaluate", "scores/toy/val/b.h5").out
    # the share of the scored videos, its 95% interval, and the bounds over all videos
    assert re.search(r"\d\d\.\d\d (±\d+\.\d|\[\d\d\.\d, \d\d\.\d\]) \(\d\d\.\d\d to \d\d\.\d\d\)", drawn)


def test_ensemble_of_members(gsmbench, scored, toy_labels):
    ran = gsmbench(
        "ensemble", "--members", "scores/toy/val/a.h5@2,scores/toy/val/a.h5", "--weights", "2,1", "--format", "json"
    )
    assert ran.status == 0
    whole = rows(ran)[-1]
    a = scored["a"].astype(np.float64)
    expected = (2 * a.mean(1) + a[:, 1]) / 3
    assert whole["frames"] == "4x2+4"
    assert whole["macs_paper"] == 6_000_000_000
    assert whole["top1"] == reference_module("plain").fuse([expected[:, None]], toy_labels)[0]


def test_ensemble_out_is_a_score_file(gsmbench, scored):
    ran = gsmbench("ensemble", "--members", "scores/toy/val/a.h5@2,scores/toy/val/b.h5", "--out", "fused.h5")
    assert ran.status == 3
    found = read("fused.h5")
    assert np.allclose(found.scores["action"][0, 0], (scored["a"][0].mean(0) + scored["b"][0, 1]) / 2, atol=1e-5)
    assert np.flatnonzero(found.status).tolist() == [3, 8]
    again = gsmbench("evaluate", "fused.h5", "--format", "json")
    assert rows(again)[0]["frames"] == "4x2+4"
    assert rows(again)[0]["top1"] == pytest.approx(
        rows(gsmbench("ensemble", "--members", "scores/toy/val/a.h5@2,scores/toy/val/b.h5", "--format", "json"))[-1][
            "top1"
        ]
    )
    assert gsmbench("ensemble", "--members", "scores/toy/val/a.h5", "--out", "fused.h5").status == 1


def test_explain_needs_no_scores(gsmbench, workspace):
    ran = gsmbench("ensemble", "En3x2", "--explain")
    assert ran.status == 0
    assert "inv3_8f: 8 frames x 2 clips, weight 0.25" in ran.out
    assert "frames 1 6 11 16 21 26 31 36" in ran.out  # 8 of 40 at offset 0
    assert "frames 3 8 13 18 23 28 33 38" in ran.out  # and at half a tick
    assert "score(video) = 0.25 * mean over 2 clips of inv3_8f" in ran.out


def test_missing_members_fail_with_the_command_that_makes_them(gsmbench, workspace):
    ran = gsmbench("ensemble", "En1")
    assert ran.status == 1
    assert "gsmbench score --model inv3_8f\n" in ran.err
    assert "gsmbench score --model inv3_12f" in ran.err
    more = gsmbench("ensemble", "--members", "inv3_8f@3", "--split", "test")
    assert "gsmbench score --model inv3_8f --split test --clips 3" in more.err


def test_table_4(gsmbench, workspace):
    assert gsmbench("table", "4").status == 1
    ran = gsmbench("table", "4", "--partial", "--format", "json")
    assert ran.status == 0
    table = rows(ran)
    assert len(table) == 12
    assert [row["frames"] for row in table] == [
        "8",
        "12",
        "16",
        "24",
        "8x2",
        "12x2",
        "16x2",
        "24x2",
        "8+12",
        "8+12+16",
        "8+12+16+24",
        "8x2+12x2+16+24",
    ]
    assert [row["published_top1"] for row in table] == [
        0.4901,
        0.5158,
        0.5063,
        0.4963,
        0.5043,
        0.5198,
        0.5168,
        0.5035,
        0.5257,
        0.5404,
        0.5488,
        0.5516,
    ]
    assert all(row.get("top1") is None for row in table), "nothing measured is ever filled in from the paper"
    assert gsmbench("table", "4", "--partial").out.count(" - ") >= 12


def test_formats(gsmbench, scored):
    files = ["scores/toy/val/a.h5", "scores/toy/val/b.h5"]
    table = list(csv.DictReader(io.StringIO(gsmbench("evaluate", *files, "--format", "csv").out)))
    assert [row["label"] for row in table] == ["a", "a", "b", "b"]
    assert float(table[0]["top1"]) == rows(gsmbench("evaluate", *files, "--format", "json"))[0]["top1"]
    assert gsmbench("evaluate", *files, "--format", "md").out.count("|\n") == 6


def test_no_labels_no_accuracy(gsmbench, scored, workspace):
    data = workspace.data / "toy"
    (data / "val.txt").write_text("\n".join(f"v{row} 9" for row in range(60)))
    ran = gsmbench("evaluate", "scores/toy/val/a.h5", "--format", "json")
    assert ran.status == 0
    assert rows(ran)[0]["top1"] is None
    assert "no labels" in ran.err


def test_labels_of_other_clips_are_refused(gsmbench, scored, workspace):
    (workspace.data / "toy" / "val.txt").write_text("x 9 1\ny 9 1\n")
    ran = gsmbench("evaluate", "scores/toy/val/a.h5")
    assert ran.status == 1
    assert "no labels of toy/val belong to these 60 videos" in ran.err
    assert "--data DIR" in ran.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ensemble"], 2, "either NAME or --members"),
        (["ensemble", "En1", "--members", "a"], 2, "either NAME or --members"),
        (["ensemble", "En9"], 1, "did you mean"),
        (["ensemble", "--members", "inv3_8f@x"], 1, "number of clips after @"),
        (["ensemble", "--members", "inv3_8f", "--weights", "1,2"], 1, "1 members but 2 weights"),
        (["ensemble", "--members", "inv3_8f", "--weights", "0"], 1, "positive"),
        (["ensemble", "--members", "inv3_8f", "--weights", "nan"], 1, "positive"),
        (["ensemble", "--members", "inv3_8f,inv3_12f", "--weights", "1e308,1e308"], 1, "positive"),
        (["ensemble", "En1", "--weights", "inf,1"], 1, "positive"),
        (["table", "4", "--dataset", "nosuch"], 1, "no data set 'nosuch'"),
        (["ensemble", "En1", "--split", "nosuch"], 1, "--split is one of"),
        (["figure", "accuracy-cost", "--out", "x.foo"], 2, ".pdf, .svg, .png"),
        (["demo", "--dir", "toynet.py/x"], 1, "Not a directory"),
        (
            ["models", "add", "x", "--like", "inv3_8f", "--checkpoint", "x", "--set", "input.size.x=3"],
            2,
            "holds a value",
        ),
        (["ensemble", "--members", "inv3_8f", "--weights", "a"], 2, "numbers separated by commas"),
        (["ensemble", "En1", "--weights", "1"], 1, "2 members but 1 weights"),
        (["evaluate", "none.h5"], 1, "no such score file"),
        (["evaluate", "README"], 1, "no such score file"),
        (["table", "9"], 1, "No table 9"),
        (["models", "show", "inv3"], 1, "did you mean"),
        (["nonsense"], 2, "No such command"),
        (["--workspace", "none", "models", "list"], 1, "is not a directory"),
    ],
)
def test_wrong_use(gsmbench, workspace, arguments, status, message):
    ran = gsmbench(*arguments)
    assert ran.status == status
    assert message in ran.err
    assert ran.out == ""


def test_workspace_may_stand_on_either_side(gsmbench, workspace, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    for arguments in (
        ["--workspace", workspace.root, "models", "list", "toy*"],
        ["models", "list", "toy*", "--workspace", workspace.root],
    ):
        assert "toy_4f" in gsmbench(*arguments).out
    assert gsmbench("models", "list", "toy*").status == 1
    monkeypatch.setenv("GSMBENCH_HOME", str(workspace.root))
    assert gsmbench("models", "list", "toy*").status == 0


def commands(group=cli, prefix=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*prefix, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))


@pytest.mark.parametrize("names", [names for names, _ in commands()], ids=" ".join)
def test_every_command_has_help_with_an_example(gsmbench, names):
    ran = gsmbench(*names, "--help")
    assert ran.status == 0
    assert re.search(rf"Example:\n +gsmbench {names[0]}", ran.out)


def test_help_lists_each_command_once_in_its_section(gsmbench):
    text = gsmbench("--help").out
    starts = [text.index(f"\n{title}:\n") for title in SECTIONS]
    assert starts == sorted(starts)
    for title, commands_of in SECTIONS.items():
        section = text.split(f"\n{title}:\n")[1].split("\n\n")[0].rstrip().splitlines()
        assert [line.split()[0] for line in section] == list(commands_of)
        assert all(len(line) <= 80 for line in section)
    assert sum(map(len, SECTIONS.values())) == len(COMMANDS)


def test_another_data_set_has_its_own_first_split(gsmbench, workspace):
    """score, ensemble and table look for the scores of another data set at the same place."""
    ran = gsmbench("ensemble", "--members", "toy_4f,inv3_8f", "--dataset", "toy")
    assert f"{workspace.root}/scores/toy/val/inv3_8f.h5" in ran.err
    table = json.loads(gsmbench("table", "4", "--dataset", "toy", "--partial", "--format", "json").out)
    assert table["title"] == "The rows of table 4 on toy/val"
    assert "scores/toy/val/inv3_8f.h5" in gsmbench("table", "4", "--dataset", "toy").err


def test_a_row_that_says_it_is_scored_and_is_not_is_refused(gsmbench, scored, workspace):

    with edited_h5(workspace.score_path("toy", "val", "a")) as file:
        file["scores/action"][7] = np.nan
    ran = gsmbench("evaluate", "scores/toy/val/a.h5")
    assert ran.status == 1
    assert "scored videos contain NaN or inf scores, or views of nothing but -inf, first: 'v7'" in ran.err


def test_the_first_member_may_have_another_order(gsmbench, scored, save_scores):
    order = np.random.default_rng(0).permutation(60)
    save_scores("turned", scored["a"][order], ids=[f"v{row}" for row in order])
    straight = rows(gsmbench("evaluate", "scores/toy/val/a.h5", "--format", "json"))[0]["top1"]
    assert rows(gsmbench("evaluate", "scores/toy/val/turned.h5", "--format", "json"))[0]["top1"] == straight
    one = rows(gsmbench("ensemble", "--members", "scores/toy/val/turned.h5,scores/toy/val/b.h5", "--format", "json"))[
        -1
    ]
    other = rows(gsmbench("ensemble", "--members", "scores/toy/val/a.h5,scores/toy/val/b.h5", "--format", "json"))[-1]
    assert one["top1"] == other["top1"]


def test_the_command_that_is_named_holds_the_workspace(gsmbench, workspace):
    assert (
        f"gsmbench --workspace {workspace.root} score --model inv3_8f"
        in gsmbench("--workspace", workspace.root, "ensemble", "En1").err
    )


def test_the_readme_line_adds_a_model_and_a_bad_one_leaves_the_workspace_alone(gsmbench, workspace):
    line = [
        "--like",
        "inv3_8f",
        "--checkpoint",
        "mine.pth.tar",
        "--dataset",
        "diving48",
        "--classes",
        "48",
        "--set",
        'class_order="file"',
    ]
    refused = gsmbench("models", "add", "mine_8f", *line)
    assert (refused.status, "mine.pth.tar" in refused.err) == (1, True)
    (workspace.root / "checkpoints").mkdir()
    (workspace.root / "checkpoints" / "mine.pth.tar").touch()
    assert gsmbench("models", "add", "mine_8f", *line).status == 0
    assert "diving48/test" in gsmbench("models", "show", "mine_8f").out
    assert gsmbench("models", "add", "bad", "--like", "inv3_8f", "--checkpoint", "x", "--dataset", "nosuch").status == 1
    assert gsmbench("models", "list").status == 0


def test_labels_that_number_the_classes_otherwise_are_refused(gsmbench, workspace, toy_labels, save_scores):
    save_scores("named", np.zeros((60, 2, 5)), names=["ape", "bee", "cat", "dog", "elk"])
    assert gsmbench("evaluate", "scores/toy/val/named.h5").status == 0
    (workspace.data / "toy" / "classes.txt").write_text("ape\ncat\nbee\ndog\nelk\n")
    ran = gsmbench("evaluate", "scores/toy/val/named.h5")
    assert ran.status == 1
    assert "class 1 is 'bee' in the scores and 'cat' beside the labels" in ran.err


def test_explain_is_a_text(gsmbench, workspace):
    assert gsmbench("ensemble", "En1", "--explain", "--format", "json").status == 2
