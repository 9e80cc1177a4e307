"""Lists as other projects write them: their columns are recognised, with a look at the frames where needed."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.cases.toy import (
    FIX,
    data_of,
    local,
    make_videos,
    noise,
    one_message,
    read_scores,
    save_weights,
    score_file,
    write_frames,
)

TOTALS = [9, 14, 21, 30, 12]
LABELS = [1, 4, 2, 3, 1]


@pytest.fixture
def listed(workspace, gsmbench):
    """Score five videos under a list of another form; returns the run and the score file, if there is one."""
    save_weights(workspace)
    data = make_videos(workspace, TOTALS)
    assert gsmbench("score", "--model", "toy_4f", "--quiet", "--out", "right.h5").status == 0

    def score(text, *options, quiet=True):
        (data / "val.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        ran = gsmbench("score", "--model", "toy_4f", *(["--quiet"] if quiet else []), *options)
        path = score_file(workspace)
        return ran, read_scores(path) if path.exists() else None

    return score


def right():
    return read_scores("right.h5")


def check_all_frames(ran, scores):
    """Every frame of each video is used."""
    assert ran.status == 0, ran.err
    assert scores.status == [0] * len(TOTALS)
    assert scores.num_frames == TOTALS
    assert np.array_equal(scores.action, right().action)


def rows(form, **columns):
    return "".join(
        form.format(id=f"v{at}", n=n, label=label, **{key: values[at] for key, values in columns.items()}) + "\n"
        for at, (n, label) in enumerate(zip(TOTALS, LABELS, strict=True))
    )


def correct(gsmbench, workspace):
    """Clips that `evaluate` counts as right, and how many it counts, from its JSON."""
    import json

    ran = gsmbench("evaluate", score_file(workspace), "--format", "json")
    assert ran.status == 0, ran.err
    return json.loads(ran.out)["rows"][-1]


# `path label`: the second column is no number of frames.


def test_a_label_is_no_number_of_frames(listed):
    ran, scores = listed(rows("{id} {label}"))
    check_all_frames(ran, scores)
    assert "label" in ran.err, "the message does not say how the list was read"


def test_labels_with_a_zero_among_them(listed):
    ran, scores = listed("v0 0\nv1 1\nv2 2\nv3 3\nv4 4\n")
    check_all_frames(ran, scores)


def test_a_path_label_list_has_labels(listed, gsmbench, workspace):
    listed(rows("{id} {n} {label}"))
    three = correct(gsmbench, workspace)
    score_file(workspace).unlink()
    check_all_frames(*listed(rows("{id} {label}")))
    assert correct(gsmbench, workspace) == three


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_lists_of_ucf101_and_kinetics(workspace, listed, suffix):
    """Names with a suffix, and a class: frames lie in folders without it."""
    check_all_frames(*listed(rows("{id}" + suffix + " {label}")))


def test_a_class_folder_before_the_name(workspace, listed):
    for at in range(len(TOTALS)):
        write_frames(data_of(workspace) / "frames" / "Ape" / f"v{at}", noise(TOTALS[at], at))
    ran, scores = listed(rows("Ape/{id} {label}"))
    check_all_frames(ran, scores)


def test_labels_counted_from_one_are_said(listed):
    """UCF101's lists count from 1: class 5 of five."""
    ran, scores = listed("v0 1\nv1 5\nv2 2\nv3 3\nv4 4\n")
    assert scores is None or scores.num_frames == TOTALS, "the label is read as a number of frames"
    assert re.search(r"\bfrom 1\b|0\.\.4", ran.err)


def test_true_frame_counts_stay_frame_counts(listed):
    check_all_frames(*listed(rows("{id} {n}")))


def test_counts_below_the_classes_stay_frame_counts(workspace, gsmbench):
    """Short videos: 2 to 4 frames of five classes, and the folders hold just these."""
    save_weights(workspace)
    data = make_videos(workspace, [2, 4, 3, 2])
    (data / "val.txt").write_text("v0 2\nv1 4\nv2 3\nv3 2\n")
    assert gsmbench("score", "--model", "toy_4f", "--quiet").status == 0
    assert read_scores(score_file(workspace)).num_frames == [2, 4, 3, 2]


@pytest.fixture
def either(workspace, gsmbench):
    """Score videos under a list whose numbers may be frame counts or labels, by their values and by the frames."""
    save_weights(workspace)
    data = make_videos(workspace, [9, 9, 4, 9, 9, 9, 9, 9])

    def score(first_line=""):
        (data / "val.txt").write_text(first_line + "v0 1\nv1 4\nv2 4\nv3 1\nv4 1\nv5 2\nv6 3\nv7 1\n")
        return gsmbench("score", "--model", "toy_4f", "--quiet")

    return score


def test_what_can_be_either_is_asked_for(either, workspace):
    assert "first line" in one_message(either())
    assert not score_file(workspace).exists()


@pytest.mark.parametrize(("header", "counts"), [("id label", [9, 9, 4, 9]), ("id frames", [1, 4, 4, 1])])
def test_a_header_says_what_it_is(either, workspace, header, counts):
    assert either(f"{header}\n").status == 0
    assert read_scores(score_file(workspace)).num_frames[:4] == counts


def test_the_entry_says_what_it_is(either, workspace, gsmbench):
    local(
        workspace,
        '[datasets.toy]\nlike = "toy"\nsplits = { val = { lists = ["val.txt"], columns = ["id", "label"] } }\n',
    )
    assert either().status == 0
    scores = read_scores(score_file(workspace))
    assert scores.num_frames[:4] == [9, 9, 4, 9]
    assert scores.provenance["list_columns"] == ["id", "label"]


# Separators, headers, columns.

FORMS = {
    "tabs": "{id}\t{n}\t{label}",
    "commas": "{id},{n},{label}",
    "commas and spaces": "{id}, {n}, {label}",
    "two spaces": "{id}  {n}  {label}",
    "aligned": "{id:<12} {n:>4} {label:>3}",
    "semicolons": "{id};{n};{label}",
    "space at the end": "{id} {n} {label} ",
    "tab at the end": "{id} {n} {label}\t",
    "space before": " {id} {n} {label}",
    "quoted": '"{id}",{n},{label}',
    "path label, tab": "{id}\t{label}",
    "path label, comma": "{id},{label}",
    "ids, comma at the end": "{id},",
}


@pytest.mark.parametrize("form", list(FORMS))
def test_a_separator_is_recognised_or_named(listed, form):
    ran, scores = listed(rows(FORMS[form]))
    if ran.status == 0:
        check_all_frames(ran, scores)
    else:
        message = one_message(ran)
        assert re.search(r"separat|tab|comma|semicolon|space|quot", message), message
        assert scores is None


HEADS = {
    "csv": "id,frames,label\n" + rows("{id},{n},{label}"),
    "csv, other names": "video,num_frames,class\n" + rows("{id},{n},{label}"),
    "csv, another order": "label,video_id\n" + rows("{label},{id}"),
    "kinetics": "label,youtube_id,time_start,time_end,split\n" + rows("ape,{id},0,10,val"),
    "spaces": "path num_frames label\n" + rows("{id} {n} {label}"),
    "comment": "# id frames label\n" + rows("{id} {n} {label}"),
    "csv, index": ",id,label\n" + "".join(f"{at},v{at},{label}\n" for at, label in enumerate(LABELS)),
}


@pytest.mark.parametrize("head", list(HEADS))
def test_a_header_is_recognised_or_named(listed, head):
    ran, scores = listed(HEADS[head])
    if ran.status == 0:
        check_all_frames(ran, scores)
    else:
        message = one_message(ran)
        assert re.search(r"header|column", message), message
        assert scores is None


COLUMNS = {
    "four": rows("{id} 1 {n} {label}"),
    "five": rows("{id} 1 {n} {label} x"),
    "four, label twice": rows("{id} {n} {label} {label}"),
    "three, text label": rows("{id} {n} ape"),
    "two, text label": rows("{id} ape"),
    "label first": rows("{label} {id}"),
    "frames as 9.0": rows("{id} {n}.0 {label}"),
    "seconds": rows("{id} {n}.5 {label}"),
    "several labels": rows("{id} {n} {label},0"),
    "columns that differ": "v0 9 1\nv1 14\nv2 21 2\nv3 30 3\nv4 12 1\n",
}


@pytest.mark.parametrize("columns", list(COLUMNS))
def test_other_columns_are_read_or_named(listed, columns):
    ran, scores = listed(COLUMNS[columns])
    if ran.status == 0:
        check_all_frames(ran, scores)
    else:
        message = one_message(ran)
        assert re.search(r"column|label|line \d", message), message
        assert "no frames" not in message.partition("where:")[0], (
            "the frames are there: the list is what cannot be read"
        )
        assert scores is None


def test_offset_lists_of_mmaction2(listed):
    """`path offset total label`: neither the offset nor the total is the class."""
    ran, scores = listed(rows("{id} 0 {n} {label}"))
    if ran.status == 0:
        check_all_frames(ran, scores)
    else:
        assert "column" in one_message(ran)


ODD = {
    "crlf": rows("{id} {n} {label}").replace("\n", "\r\n"),
    "byte-order mark": "\ufeff" + rows("{id} {n} {label}"),
    "no line break at the end": rows("{id} {n} {label}").rstrip("\n"),
    "blank lines": "\n" + rows("{id} {n} {label}").replace("\n", "\n\n"),
    "lines of spaces": rows("{id} {n} {label}").replace("\n", "\n  \n"),
    "old mac": rows("{id} {n} {label}").replace("\n", "\r"),
}


@pytest.mark.parametrize("odd", list(ODD))
def test_line_ends_do_not_matter(listed, odd):
    check_all_frames(*listed(ODD[odd]))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_a_list_in_another_encoding_is_named(listed, encoding):
    ran, _ = listed(rows("{id}é {n} {label}").encode(encoding))
    assert "UTF-8" in one_message(ran)


# Names.


@pytest.mark.parametrize("form", ["{id} {n} {label}", "{id} {n}", "{id}", "{id} {label}"])
@pytest.mark.parametrize("name", ["my video", "take 2", "a  b"])
def test_names_with_spaces(workspace, gsmbench, form, name):
    save_weights(workspace)
    data = data_of(workspace)
    for at in range(3):
        write_frames(data / "frames" / f"{name}{at}", noise(12, at))
    (data / "val.txt").write_text("".join(form.format(id=f"{name}{at}", n=12, label=at + 1) + "\n" for at in range(3)))
    ran = gsmbench("score", "--model", "toy_4f", "--quiet")
    assert ran.status == 0, ran.err
    scores = read_scores(score_file(workspace))
    assert scores.ids == [f"{name}{at}" for at in range(3)]
    assert scores.num_frames == [12, 12, 12]


def test_a_name_that_ends_in_a_number(workspace, gsmbench):
    """`clip 12` alone is a name with a space, where a folder of that name is there."""
    save_weights(workspace)
    data = data_of(workspace)
    for at in (11, 12, 13):
        write_frames(data / "frames" / f"clip {at}", noise(12, at))
    (data / "val.txt").write_text("clip 11\nclip 12\nclip 13\n")
    ran = gsmbench("score", "--model", "toy_4f", "--quiet")
    assert ran.status == 0, ran.err
    assert read_scores(score_file(workspace)).ids == ["clip 11", "clip 12", "clip 13"]


# One look at a sample of videos before the run.


def test_no_clip_of_the_sample_is_one_error(listed):
    ran, scores = listed("".join(f"other{at} 9 1\n" for at in range(40)))
    message = one_message(ran)
    assert "other0" in message
    assert scores is None
    assert message.count("other") < 12, "one message, not one per video"


def test_a_wrong_column_for_the_name_is_one_error(listed):
    """Numbered rows: `0 v0 9 1`."""
    ran, scores = listed("".join(f"{at} v{at} {n} 1\n" for at, n in enumerate(TOTALS)))
    assert "column" in one_message(ran)
    assert scores is None


# Fewer frames than are there: counted, stored, shown.

HALVED = "".join(f"v{at} {n // 2} {label}\n" for at, (n, label) in enumerate(zip(TOTALS, LABELS, strict=True)))


@pytest.mark.parametrize("quiet", [True, False])
def test_few_of_a_videos_frames_are_said_with_their_number(listed, quiet):
    ran, scores = listed(HALVED, quiet=quiet)
    assert ran.status == 0
    assert scores.num_frames == [n // 2 for n in TOTALS]
    lines = [line for line in ran.err.splitlines() if re.search(r"\b5\b", line) and "video" in line]
    assert any("frames" in line for line in lines), ran.err


def test_few_of_a_videos_frames_are_stored(listed):
    _, scores = listed(HALVED)
    assert scores.provenance["frames_unused"] == {"videos": 5, "first": "v0", "listed": 4, "stored": 9}


def test_few_of_a_videos_frames_show_in_evaluate(listed, gsmbench, workspace):
    listed(HALVED)
    ran = gsmbench("evaluate", score_file(workspace))
    assert ran.status == 0, ran.err
    assert re.search(r"\b5\b.*frames", ran.out + ran.err)


def test_one_short_clip_among_many_is_counted(workspace, gsmbench):
    save_weights(workspace)
    data = make_videos(workspace, [6] * 20)
    lines = (data / "val.txt").read_text().splitlines()
    lines[13] = "v13 3 3"
    (data / "val.txt").write_text("\n".join(lines) + "\n")
    ran = gsmbench("score", "--model", "toy_4f", "--quiet")
    assert ran.status == 0
    assert "v13" in ran.err, "one video's frames are halved in silence"


def test_a_list_of_all_frames_gets_no_such_note(listed, gsmbench, workspace):
    ran, _ = listed(rows("{id} {n} {label}"), quiet=False)
    assert "note" not in ran.err
    ran = gsmbench("evaluate", score_file(workspace))
    assert not re.search(r"only.*frames|more frames", ran.out + ran.err)


def test_a_list_error_says_what_to_do(listed):
    ran, _ = listed("v0 9 1\nv1 14 99\n")
    assert FIX.search(one_message(ran))
    assert "99" in ran.err
