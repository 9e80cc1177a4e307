"""A data set without lists, through the command line: score a folder per class, then evaluate it."""

from tests.cases.toy import local, noise, one_message, save_weights, score_file, write_frames

ENTRIES = """
[datasets.mine]
like = "folder"
title = "Mine"

[models.mine_4f]
title = "Toy network"
network = "toynet:build"
frames = 4
classes = 5
class_order = "alphabetical"
input = { size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [104, 117, 128], std = [1, 1, 1] }
checkpoint = { file = "toy.safetensors" }
dataset = "mine"
split = "val"
"""


def test_a_folder_per_class_is_scored_and_evaluated(workspace, gsmbench):
    local(workspace, ENTRIES)
    save_weights(workspace)
    data = workspace.root / "somewhere"
    for at, action in enumerate(("ape", "bee", "cat", "dog")):
        write_frames(data / "val" / action / f"v {at}", noise(5 + at, at), name="img_{:05d}.jpg")
    score = ("score", "--model", "mine_4f", "--data", data, "--quiet")
    assert "mine_4f has 5 action classes, mine has 4" in one_message(gsmbench(*score))
    (data / "train" / "elk").mkdir(parents=True)
    assert "'ape' is not one of the 1 classes" in one_message(gsmbench(*score))
    for action in ("ape", "bee", "cat", "dog"):
        (data / "train" / action).mkdir()
    assert gsmbench(*score).status == 0
    scores = score_file(workspace, "mine_4f", "mine")
    evaluated = gsmbench("evaluate", scores, "--format", "json")
    assert evaluated.status == 0, evaluated.err
    assert '"total": 4' in evaluated.out
    (data / "train" / "fox").mkdir()
    assert "class 5 is none in the scores and 'fox' beside the labels" in one_message(gsmbench("evaluate", scores))
