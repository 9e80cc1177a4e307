"""Every number of the command line can be had in Python, equal to the last bit."""

import json

import pandas
import pytest

import gsm_bench as gb

MODELS = "shapes_8f,shapes_12f,shapes_16f,shapes_24f,shapes_tsn_8f"
FILES = [f"scores/shapes/val/{name}.h5" for name in ("shapes_8f", "shapes_tsn_8f.reversed", "shapes_24f")]
ACTIONS = "scores/shapes-actions/val/shapes_vna_12f.h5"
CASES = {
    "table 4": (["table", "4.shapes"], lambda b: b.table("4.shapes")),
    "table 4 of a data set": (["table", 4, "--dataset", "shapes"], lambda b: b.table(4, dataset="shapes")),
    "table 6": (["table", 6, "--partial"], lambda b: b.table(6, partial=True)),
    "evaluate": (["evaluate", *FILES], lambda b: b.evaluate(*FILES)),
    "evaluate verbs and nouns": (["evaluate", ACTIONS], lambda b: b.evaluate(ACTIONS)),
    "classes": (
        ["evaluate", FILES[0], "--per-class", "--confusions"],
        lambda b: b.evaluate(FILES[0], per_class=True, confusions=True),
    ),
    "parts": (["evaluate", "--parts", ACTIONS], lambda b: b.parts(ACTIONS)),
    "ensemble": (["ensemble", "shapes_En3x2"], lambda b: b.ensemble("shapes_En3x2")),
    "members": (
        ["ensemble", "--members", "shapes_8f@2,shapes_12f", "--weights", "2,1", "--space", "probabilities"],
        lambda b: b.ensemble(["shapes_8f@2", "shapes_12f"], [2, 1], "probabilities", title="ensemble"),
    ),
    "compare": (
        ["compare", "shapes_8f", "shapes_12f@2", "--why"],
        lambda b: b.compare("shapes_8f", "shapes_12f@2", why=True),
    ),
    "videos": (
        ["compare", "shapes_8f", "shapes_tsn_8f", "--videos"],
        lambda b: b.compare("shapes_8f", "shapes_tsn_8f", list_videos=True),
    ),
    "search": (["search", MODELS, "--budget", "0.6"], lambda b: b.search(MODELS, 0.6)),
    "greedy": (["search", MODELS, "--method", "greedy"], lambda b: b.search(MODELS, method="greedy")),
    "weights": (["search", MODELS, "--method", "weights"], lambda b: b.search(MODELS.split(","), method="weights")),
    "cascade": (["cascade", "shapes_8f,shapes_12f"], lambda b: b.cascade("shapes_8f,shapes_12f")),
    "calibrate": (
        ["calibrate", "shapes_8f@2", "shapes_En1", "--reliability"],
        lambda b: b.calibrate("shapes_8f@2", "shapes_En1"),
    ),
}


def plain(value):
    """A frame's cell as JSON has it."""
    return None if value is None or (not isinstance(value, list | dict) and pandas.isna(value)) else value


def frame_rows(frame):
    return [{key: plain(value) for key, value in row.items()} for row in frame.astype(object).to_dict("records")]


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_of_the_command_line(case, demo, gsmbench):
    arguments, call = CASES[case]
    arguments = [demo / text if str(text).startswith("scores/") else text for text in arguments]
    ran = gsmbench("--workspace", demo, *arguments, "--format", "json")
    assert ran.status == 0, ran.err
    document = json.loads(ran.out)
    result = call(gb.Bench(demo))
    documents = [document, *document.get("tables", {}).values()]
    assert len(documents) == len(result.tables)
    assert document["rows"]
    for place, printed in enumerate(documents):
        assert printed["name"] == result.tables[place].name
        rows = frame_rows(result.to_pandas(place))
        assert result.to_pandas(printed["name"]).columns.tolist() == list(rows[0])
        for row, expected in zip(rows, printed["rows"], strict=True):
            assert {key: plain(row[key]) for key in expected} == expected


def test_a_missing_score_file_names_the_command(demo):
    with pytest.raises(gb.errors.MissingScoresError) as caught:
        gb.Bench(demo).ensemble("En3")
    assert f"gsmbench --workspace {demo} score --model inv3_8f" in str(caught.value)
