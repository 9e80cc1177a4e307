"""`check` is no more lenient than a server, and no stricter: each file with its right verdict."""

import io
import json
import re
import zipfile

import numpy as np
import pytest

from tests.submit.conftest import epic, save_epic, submitted_json, submitted_zip  # noqa: F401


def load(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def members(path, **contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


@pytest.fixture
def judge(epic, gsmbench):  # noqa: F811
    """Judge a file of somebody else's; returns status, findings as one text, and the findings."""

    def call(path):
        (epic.submissions / "ledger.jsonl").unlink(missing_ok=True)
        ran = gsmbench("check", path, "--format", "json")
        assert "Traceback" not in ran.err
        document = json.loads(ran.out)
        rows = document["rows"]
        return ran.status, "\n".join(f"{row['kind']}: {row['what']} ({row['where']})" for row in rows), rows

    return call


@pytest.fixture
def edited(submitted_zip, judge):  # noqa: F811
    """Judge the EPIC-100 zip with its document changed."""

    def call(edit):
        document = load(submitted_zip)
        document = edit(document) or document
        members(submitted_zip, **{"test.json": json.dumps(document)})
        return judge(submitted_zip)

    return call


def every(document, change, tasks=("verb", "noun"), rows=None):
    for at, result in enumerate(document["results"].values()):
        if rows is None or at in rows:
            for task in tasks:
                result[task] = {key: change(value) for key, value in result[task].items()}


def loud(status, text, rows, words):
    """An error, or a warning that stands out: said as such, and with the words."""
    verdicts = {row["verdict"] for row in rows if re.search(words, f"{row['kind']} {row['what']}", re.IGNORECASE)}
    assert verdicts & {"error", "warning"}, text
    assert status != 0 or "warning" in verdicts, text


# Encodings.


@pytest.mark.parametrize(
    "encoding",
    ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32", "utf-8-sig", "utf-7", "cp037", "cp500"],
)
def test_other_encodings_are_refused(submitted_zip, judge, encoding):  # noqa: F811
    """json.loads of bytes guesses UTF-16 and UTF-32; a server that opens the file as UTF-8 does not."""
    text = json.dumps(load(submitted_zip))
    content = text.replace("P01_101_0", "P01_101_é").encode(encoding) if encoding == "utf-7" else text.encode(encoding)
    members(submitted_zip, **{"test.json": content})
    status, text, _ = judge(submitted_zip)
    assert status == 1, text
    if encoding != "utf-7":
        assert re.search("UTF-8|byte order mark", text), text


def test_utf8_beyond_ascii_is_text(submitted_zip, judge):  # noqa: F811
    """The id is no clip of the split; that, and not the encoding, is what is wrong."""
    text = json.dumps(load(submitted_zip), ensure_ascii=False).replace("P01_101_0", "P01_101_é")
    members(submitted_zip, **{"test.json": text.encode()})
    status, text, _ = judge(submitted_zip)
    assert status == 1
    assert "unexpected ids" in text and "UTF-8" not in text


@pytest.mark.parametrize("extra", ["\n", "  \r\n\t", "\n\n"])
def test_white_space_around_is_no_fault(submitted_zip, judge, extra):  # noqa: F811
    members(submitted_zip, **{"test.json": extra + json.dumps(load(submitted_zip)) + extra})
    status, text, _ = judge(submitted_zip)
    assert status == 0, text


@pytest.mark.parametrize("extra", ["\0", "\0" * 40, "{}", "\n{}", "\ufeff", "\v"])
def test_what_follows_the_document_is_a_fault(submitted_zip, judge, extra):  # noqa: F811
    members(submitted_zip, **{"test.json": json.dumps(load(submitted_zip)) + extra})
    status, text, _ = judge(submitted_zip)
    assert status == 1, text


# Numbers that are all there and mean something else.


def test_negated_log_probabilities(edited):
    """All rankings stand upside down."""
    status, text, rows = edited(lambda document: every(document, lambda value: -value))
    loud(status, text, rows, "negat|sign|upside|largest|surpris")


@pytest.mark.parametrize("tasks", [("verb",), ("noun",)])
def test_one_task_negated(edited, tasks):
    status, text, rows = edited(lambda document: every(document, lambda value: -value, tasks))
    loud(status, text, rows, "negat|sign|upside|largest|surpris")


def test_negated_probabilities(edited):
    status, text, rows = edited(lambda document: every(document, lambda value: -float(np.exp(value))))
    loud(status, text, rows, "negat|sign|upside|probabilit")


def test_one_minus_probabilities(edited):
    status, text, rows = edited(lambda document: every(document, lambda value: 1 - float(np.exp(value))))
    loud(status, text, rows, "negat|sign|upside|probabilit|1 -|sum")


@pytest.mark.parametrize("value", [-1e308, 1e308, -1e300, 1e200, -1e39, 3e38, -1e38, 1e30])
def test_an_absurd_score(edited, value):
    def edit(document):
        verbs = document["results"]["P01_101_2"]["verb"]
        verbs[min(verbs, key=verbs.get)] = value  # of the class that weighs least, so that the row's sum stays 1

    status, text, rows = edited(edit)
    loud(status, text, rows, "P01_101_2|large|absurd|beyond|1e|range|odd")


@pytest.mark.parametrize("value", [-1e308, -1e200, 1e200])
def test_an_absurd_score_in_every_row(edited, value):
    def edit(document):
        for result in document["results"].values():
            result["noun"][min(result["noun"], key=result["noun"].get)] = value

    status, text, rows = edited(edit)
    loud(status, text, rows, "large|absurd|beyond|1e|range|odd")


@pytest.mark.parametrize("offset", [800, -800, 100, 30])
def test_half_of_the_rows_are_offset(edited, offset):
    """Two kinds of rows in one file: the softmax over the file leaves nothing of one half."""
    status, text, rows = edited(lambda document: every(document, lambda value: value + offset, rows={0, 1}))
    loud(status, text, rows, "offset|rows|clips|videos")


def test_half_of_the_rows_are_probabilities(edited):
    status, text, rows = edited(lambda document: every(document, lambda value: float(np.exp(value)), rows={0, 1}))
    loud(status, text, rows, "probabilit|rows|clips|videos")


def test_every_row_is_the_same(edited):
    """A file that was filled with one row."""

    def edit(document):
        first = document["results"]["P01_101_0"]
        document["results"] = dict.fromkeys(document["results"], first)

    status, text, rows = edited(edit)
    loud(status, text, rows, "same|equal")


def test_verbs_that_are_constant(edited):
    status, text, rows = edited(lambda document: every(document, lambda value: 0.0, ("verb",)))
    loud(status, text, rows, "equal|constant")


def test_sound_logits_pass(edited):
    """Logits whose rows have their own offsets of a few units are no fault."""
    rng = np.random.default_rng(3)

    def edit(document):
        for result in document["results"].values():
            for task in ("verb", "noun"):
                result[task] = {key: float(3 * rng.standard_normal()) for key in result[task]}

    status, text, rows = edited(edit)
    assert status == 0, text
    assert {row["verdict"] for row in rows} <= {"note"}, text


def test_sure_log_probabilities_pass(edited):
    """A network that is sure gives 0 to one class and -60 to the others."""

    def edit(document):
        for at, result in enumerate(document["results"].values()):
            for task in ("verb", "noun"):
                result[task] = {key: (-1e-9 if int(key) == at else -60.0 - int(key) / 100) for key in result[task]}

    status, text, _ = edited(edit)
    assert status == 0, text


# Actions of EPIC-55.


@pytest.fixture
def edited_json(submitted_json, judge):  # noqa: F811
    def call(edit):
        document = load(submitted_json)
        edit(document)
        submitted_json.write_text(json.dumps(document))
        return judge(submitted_json)

    return call


def test_the_sound_json_passes(edited_json):
    status, text, _ = edited_json(lambda document: None)
    assert status == 0, text


def test_one_clip_without_actions_where_others_have_them(edited_json):
    status, text, rows = edited_json(lambda document: document["results"]["101"].pop("action"))
    loud(status, text, rows, "action")
    assert "101" in text, "which video lists none is not said"


def test_one_clip_with_empty_actions(edited_json):
    status, text, _ = edited_json(lambda document: document["results"]["101"].update(action={}))
    assert status == 1, text


def test_no_clip_with_actions_passes(edited_json):
    def edit(document):
        for result in document["results"].values():
            del result["action"]

    status, text, _ = edited_json(edit)
    assert status == 0, text


def test_negated_action_scores(edited_json):
    def edit(document):
        for result in document["results"].values():
            result["action"] = {key: -value for key, value in result["action"].items()}

    status, text, rows = edited_json(edit)
    loud(status, text, rows, "action")


# Ids in messages.


@pytest.mark.parametrize(
    "spelt", ["P01_101_0 ", " P01_101_0", "P01_101_0\t", "p01_101_0", "P01_101_00", "P01_101_\u0660"]
)
def test_ids_stand_in_quotes(edited, spelt):
    def edit(document):
        document["results"][spelt] = document["results"].pop("P01_101_0")

    status, text, _ = edited(edit)
    assert status == 1
    quoted = [f"{mark}{form}{mark}" for mark in "'\"" for form in (spelt, spelt.replace("\t", "\\t"))]
    assert any(form in text for form in quoted), text
    assert "'P01_101_0'" in text or '"P01_101_0"' in text, text


@pytest.mark.parametrize("spelt", ["P01\x1b[31m_0", "P01_\u202e101", "a\nb", "\x07"])
def test_ids_never_control_the_terminal(submitted_zip, epic, gsmbench, spelt):  # noqa: F811
    document = load(submitted_zip)
    document["results"][spelt] = document["results"].pop("P01_101_0")
    members(submitted_zip, **{"test.json": json.dumps(document)})
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 1
    assert not set("\x1b\x07\u202e") & set(ran.out + ran.err)


# Versions.


def test_version_of_epic_55_in_a_file_of_epic_100(edited):
    """97 verbs and 300 nouns under version 0.1: it is the version that is wrong, and it is named."""
    status, text, rows = edited(lambda document: document.update(version="0.1"))
    assert status == 1
    assert "0.1" in text and "0.2" in text, text
    assert len(rows) <= 3, "everything that follows from the version is listed, too"


def test_version_of_epic_100_in_a_file_of_epic_55(edited_json):
    status, text, _ = edited_json(lambda document: document.update(version="0.2"))
    assert status == 1
    assert "0.1" in text and "0.2" in text, text


@pytest.mark.parametrize("version", ["0.2 ", "v0.2", "0.20", "", None, 2, ["0.2"]])
def test_versions_that_are_none(edited, version):
    status, text, _ = edited(lambda document: document.update(version=version))
    assert status == 1
    assert "version" in text and "0.2" in text


# What is beside the right member of a zip.

LEFTOVERS = {
    "__MACOSX/._test.json": b"\0\5\x16\7",
    "__MACOSX/": b"",
    ".DS_Store": b"\0\0\0\1Bud1",
    "._test.json": b"\0\5\x16\7",
    "Thumbs.db": b"x",
    "desktop.ini": b"x",
    "__MACOSX/.DS_Store": b"x",
}


@pytest.mark.parametrize("name", LEFTOVERS)
def test_what_a_system_leaves_in_a_zip_is_a_note(submitted_zip, judge, name):  # noqa: F811
    members(submitted_zip, **{"test.json": json.dumps(load(submitted_zip)), name: LEFTOVERS[name]})
    status, text, rows = judge(submitted_zip)
    assert status == 0, text
    assert any(row["verdict"] == "note" and name.strip("/") in f"{row['what']} {row['where']}" for row in rows), text


@pytest.mark.parametrize("name", ["sub/test.json", "notes.txt", "test.json.bak", "TEST.JSON", "seen.json"])
def test_anything_else_beside_it_stays_an_error(submitted_zip, judge, name):  # noqa: F811
    members(submitted_zip, **{"test.json": json.dumps(load(submitted_zip)), name: b"{}"})
    status, text, _ = judge(submitted_zip)
    assert status == 1, text


@pytest.mark.parametrize("name", LEFTOVERS)
def test_leftovers_alone_are_no_submission(submitted_zip, judge, name):  # noqa: F811
    members(submitted_zip, **{name: LEFTOVERS[name]})
    status, text, _ = judge(submitted_zip)
    assert status == 1, text


def test_a_zip_with_a_comment_or_bytes_before_it(submitted_zip, judge):  # noqa: F811
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.comment = b"mine"
        archive.writestr("test.json", json.dumps(load(submitted_zip)))
    submitted_zip.write_bytes(content.getvalue())
    status, text, _ = judge(submitted_zip)
    assert status == 0, text
