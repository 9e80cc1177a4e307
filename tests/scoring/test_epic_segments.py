"""Segments of longer videos, scored from frame folders by a network with three classifiers."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from gsm_bench.frames.sources import open_source  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets import build_network  # noqa: E402
from gsm_bench.scorefile import read  # noqa: E402
from gsm_bench.splits import Video, read_split  # noqa: E402
from tests.epic_files import write_epic_55, write_epic_100  # noqa: E402

ENTRY = """
[models.tiny]
title = "Tiny"
network = "bninception"
temporal = "gsm"
frames = 16
classes = {{ verb = {verb}, noun = {noun}, action = {action} }}
class_order = "file"
head = "verb-noun-action"
input = {{ size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [104, 117, 128], std = [1, 1, 1] }}
checkpoint = {{ file = "tiny.safetensors" }}
options = {{ width = 0.125 }}
dataset = "{dataset}"
split = "{split}"
clips = 2
"""


def write_video(folder, frames):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(str(folder)))
    for number in range(1, frames + 1):
        Image.fromarray(rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)).save(folder / f"frame_{number:010d}.jpg")


def install(workspace, dataset, split, classes, action=None):
    (workspace.manifests / "tiny.toml").write_text(ENTRY.format(dataset=dataset, split=split, **classes))
    torch.manual_seed(1)
    network = build_network("bninception", "gsm", 16, {**classes, "action": action or classes["action"]}, width=0.125)
    workspace.checkpoints.mkdir(exist_ok=True)
    save_file(network.state_dict(), workspace.checkpoints / "tiny.safetensors")


@pytest.fixture
def epic_55(workspace):
    """Three of the four segments have their frames; the fourth's video is cut short."""
    data = workspace.data / "epic-55"
    write_epic_55(data)
    write_video(data / "frames" / "P01" / "P01_11", 50)
    write_video(data / "frames" / "P02" / "P02_11", 9)
    write_video(data / "frames" / "P03" / "P03_02", 299)
    install(workspace, "epic-55", "s1", {"verb": 125, "noun": 352, "action": 3})
    entry = (workspace.manifests / "tiny.toml").read_text()
    (workspace.manifests / "tiny.toml").write_text(entry + DATASET)
    return workspace


DATASET = """
[datasets.epic-55]
title = "EPIC-KITCHENS-55, three actions"
layout = "epic-55"
classes = { verb = 125, noun = 352, action = 3 }
class_order = "file"
frame_pattern = "{participant}/{video}/frame_{frame:010d}.jpg"
frame_roots = ["frames"]
[datasets.epic-55.splits]
train = { lists = ["EPIC_train_action_labels.csv"] }
s1 = { lists = ["EPIC_test_s1_timestamps.csv"] }
s2 = { lists = ["EPIC_test_s2_timestamps.csv"] }
"""


def test_segments_are_scored_and_a_frame_beyond_the_video_is_named(epic_55, gsmbench):
    ran = gsmbench("score", "--model", "tiny", "--quiet")
    assert ran.status == 3, ran.err
    assert "107: video '107' has 299 frames in its file, but its segment ends at frame 300" in ran.err
    found = read(epic_55.score_path("epic-55", "s1", "tiny"))
    assert found.status.tolist() == [0, 0, 0, 2]
    assert {task: values.shape for task, values in found.scores.items()} == {
        "verb": (4, 2, 125), "noun": (4, 2, 352), "action": (4, 2, 3),
    }  # fmt: skip
    assert found.class_names["action"] == ("0,1", "0,10", "3,2")
    assert found.num_frames.tolist()[:3] == [40, 31, 3]


def test_a_segment_reads_its_own_frames(epic_55):
    """Frame i of a segment is file start + i - 1."""
    entry, data = load_manifest(epic_55).dataset("epic-55"), epic_55.data / "epic-55"
    clip = read_split(entry, "s1", data).video(1)
    source = open_source(entry, data, [clip])
    assert source.count(clip) == 31
    ((number, picture),) = source.pictures(clip, [5])
    wanted = Image.open(data / "frames" / "P01" / "P01_11" / "frame_0000000024.jpg").convert("RGB")
    assert number == 5
    assert picture.tobytes() == wanted.tobytes()


def test_a_segment_shorter_than_the_network_repeats_frames(epic_55, gsmbench):
    """3 frames for 16 places: the tick rule takes each of them five or six times; the two clips are scored alike."""
    from gsm_bench.frames import sample_indices

    assert np.bincount(sample_indices(3, 16)[0])[1:].tolist() == [5, 6, 5]
    gsmbench("score", "--model", "tiny", "--quiet")
    assert np.isfinite(read(epic_55.score_path("epic-55", "s1", "tiny")).scores["verb"][2]).all()


def test_the_number_of_actions_is_counted_in_the_training_csv(workspace, gsmbench):
    data = workspace.data / "epic-100"
    write_epic_100(data)
    write_video(data / "P01" / "P01_11", 50)
    write_video(data / "P18" / "P18_02", 300)
    install(workspace, "epic-100", "validation", {"verb": 97, "noun": 300, "action": 0}, action=2)
    ran = gsmbench("score", "--model", "tiny", "--quiet")
    assert ran.status == 1
    assert "the action classes of tiny are counted in the training csv of epic-100, which is not here" in ran.err
    header = (data / "EPIC_100_validation.csv").read_text().splitlines()[0]
    rows = [
        f"P01_01_{at},P01,P01_01,0,0,0,1,9,x,v,{verb},n,{noun},[],[]"
        for at, (verb, noun) in enumerate([(4, 5), (0, 2), (4, 5)])
    ]
    (data / "EPIC_100_train.csv").write_text("\n".join([header, *rows]) + "\n")
    ran = gsmbench("score", "--model", "tiny", "--quiet")
    assert ran.status == 0, ran.err
    found = read(workspace.score_path("epic-100", "validation", "tiny"))
    assert found.class_names["action"] == ("0,2", "4,5")
    assert found.provenance.entry["classes"]["action"] == 2
    table = json.loads(
        gsmbench("evaluate", workspace.score_path("epic-100", "validation", "tiny"), "--format", "json").out
    )
    assert {"verb_top1", "noun_top1", "action_top1"} <= set(table["rows"][0])


def test_a_model_whose_actions_are_counted_can_be_shown(workspace, gsmbench):
    ran = gsmbench("models", "show", "epic100_bninc_16f")
    assert ran.status == 0
    assert "counted" in ran.out
    assert gsmbench("models", "show", "epic_bninc_16f").status == 0


def test_containers(workspace):
    assert Video("a", 3, 0).container == "a"
    assert Video("a", 3, 0, "P01_01", "P01", 7).container == "P01_01"
