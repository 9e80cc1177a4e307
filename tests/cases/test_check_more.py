"""More files for `check` of the same kinds: 48 segments of which each has its own fault, and sound ones beside them."""

import json
import zipfile

import numpy as np
import pytest

from gsm_bench.submit.check import check_file

SEGMENTS, VERBS, NOUNS = 48, 97, 300
IDS = [f"P01_101_{at}" for at in range(SEGMENTS)]
LEVELS = {"sls_pt": 1, "sls_tl": 3, "sls_td": 3}


def logits(seed=0, spread=3.0):
    rng = np.random.default_rng(seed)
    return {
        "verb": spread * rng.standard_normal((SEGMENTS, VERBS)),
        "noun": spread * rng.standard_normal((SEGMENTS, NOUNS)),
    }


def logs(seed=0):
    return {task: rows - np.log(np.exp(rows).sum(1, keepdims=True)) for task, rows in logits(seed).items()}


def document(scores, ids=IDS, **changes):
    tables = {
        task: [{str(at): float(value) for at, value in enumerate(row)} for row in rows] for task, rows in scores.items()
    }
    results = {name: {task: rows[at] for task, rows in tables.items()} for at, name in enumerate(ids)}
    return {"version": "0.2", "challenge": "action_recognition", **LEVELS, "results": results, **changes}


@pytest.fixture
def judged(tmp_path):
    """The verdict on a document; `extra` are other members of the zip."""

    def call(content, extra=()):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("test.json", content if isinstance(content, bytes) else json.dumps(content))
            for name in extra:
                archive.writestr(name, b"")
        return check_file(path, lambda _, split: IDS if split == "test" else None)

    return call


def kinds(verdict, severity):
    return {finding.kind for finding in verdict.of(severity)}


SOUND = {
    "log-probabilities": logs,
    "rounded log-probabilities": lambda: {task: np.round(rows, 2) for task, rows in logs().items()},
    "of half precision": lambda: {task: rows.astype(np.float16).astype(float) for task, rows in logs().items()},
    "logits": logits,
    "sharp logits": lambda: logits(spread=8.0),
    "flat logits": lambda: logits(spread=0.1),
    "positive logits": lambda: {task: rows + 20 for task, rows in logits().items()},
    "sure of one class": lambda: {task: np.where(rows == rows.max(1, keepdims=True), -1e-9, rows - 60) for task, rows in logs().items()},
    "masked classes": lambda: {task: np.where(np.arange(rows.shape[1]) % 7 == 3, -1e4, rows) for task, rows in logits().items()},
    "one confident row": lambda: {task: rows * np.where(np.arange(SEGMENTS) == 3, 3, 1)[:, None] for task, rows in logits().items()},
    "a few equal segments": lambda: {task: rows[np.maximum(np.arange(SEGMENTS), 3)] for task, rows in logits().items()},
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_sound_scores_pass_without_a_warning(name, judged):
    verdict = judged(document(SOUND[name]()))
    assert verdict.passes
    assert not verdict.of("warning"), verdict.findings


UPSIDE_DOWN = {
    "negated": lambda rows: -rows,
    "negated bits": lambda rows: -rows / np.log(2),
    "negated decimal": lambda rows: -rows / np.log(10),
    "negated, rounded": lambda rows: np.round(-rows, 3),
    "negated, half precision": lambda rows: (-rows).astype(np.float16).astype(float),
    "negated probabilities": lambda rows: -np.exp(rows),
    "negated probabilities, rounded": lambda rows: np.round(-np.exp(rows), 5),
    "1 - p": lambda rows: 1 - np.exp(rows),
    "1 - p in float32": lambda rows: (1 - np.exp(rows)).astype(np.float32).astype(float),
    "negated logarithm of p + 1e-9": lambda rows: -np.log(np.exp(rows) + 1e-9),
}


@pytest.mark.parametrize("name", UPSIDE_DOWN)
@pytest.mark.parametrize("task", ["verb", "noun"])
def test_rankings_upside_down_are_an_error(name, task, judged):
    scores = logs()
    scores[task] = UPSIDE_DOWN[name](scores[task])
    assert kinds(judged(document(scores)), "error") == {"upside down"}


HALF = np.arange(SEGMENTS)[:, None] % 2 == 0
QUARTER = np.arange(SEGMENTS)[:, None] < 12
MIXED = {
    "offset 40": lambda rows: rows + 40 * HALF,
    "offset -1000": lambda rows: rows - 1000 * HALF,
    "a quarter offset": lambda rows: rows + 50 * QUARTER,
    "one segment offset": lambda rows: rows + 90 * (np.arange(SEGMENTS)[:, None] == 4),
    "logs and logits": lambda rows: np.where(HALF, rows, rows - np.log(np.exp(rows).sum(1, keepdims=True))),
    "logits and probabilities": lambda rows: np.where(QUARTER, np.exp(rows) / np.exp(rows).sum(1, keepdims=True), rows),
    "one row of probabilities": lambda rows: np.where(
        np.arange(SEGMENTS)[:, None] == 4, np.exp(rows) / np.exp(rows).sum(1, keepdims=True), rows
    ),
    "three offsets": lambda rows: (
        rows + 100 * (np.arange(SEGMENTS)[:, None] // 24) + (np.arange(SEGMENTS)[:, None] % 3)
    ),
    "zeros in one half": lambda rows: np.where(HALF, 0.0, rows),
    "the same in one half": lambda rows: np.where(HALF, rows[:1], rows),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("task", ["verb", "noun"])
def test_rows_of_two_kinds_are_a_warning(name, task, judged):
    scores = logits()
    scores[task] = MIXED[name](scores[task])
    verdict = judged(document(scores))
    assert verdict.of("warning"), verdict.findings
    assert task in " ".join(finding.what for finding in verdict.of("warning"))


@pytest.mark.parametrize("value", [2e6, -2e6, -1e9, 1e9, -3.4e38])
def test_large_scores_are_a_warning(value, judged):
    scores = logits()
    scores["verb"][:, 5] = value
    verdict = judged(document(scores))
    assert verdict.passes
    assert "absurd scores" in kinds(verdict, "warning")


@pytest.mark.parametrize("value", [1e39, -1e39, -1e100, 1e308, -1.7976931348623157e308])
def test_scores_beyond_float32_are_an_error(value, judged):
    scores = logits()
    scores["noun"][7, 5] = value
    assert kinds(judged(document(scores)), "error") == {"absurd scores"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_other_encodings_are_refused(encoding, ascii_only, judged):
    ids = IDS if ascii_only else ["P01_101_\u0416", *IDS[1:]]
    content = json.dumps(document(logs(), ids), ensure_ascii=False).encode(encoding)
    assert kinds(judged(content), "error") == {"not UTF-8"}


@pytest.mark.parametrize("name", ["P01_101_0\u00a0", "P01_101_0\u200b", "P01_101_0\r", "\ufeffP01_101_0", "", "'", '"'])
def test_ids_stand_in_quotes(name, judged):
    verdict = judged(document(logs(), [name, *IDS[1:]]))
    assert kinds(verdict, "error") == {"missing ids", "unexpected ids"}
    text = "\n".join(finding.what for finding in verdict.findings)
    assert repr(name) in text
    assert all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.mark.parametrize("version", ["0.1", "0.3", "", None, 0.2, ["0.2"], {"0.2": 1}, "0.2\n", True])
def test_a_wrong_version_is_one_finding_and_the_rest_is_judged(version, judged):
    scores = logs()
    scores["verb"] = -scores["verb"]
    verdict = judged(document(scores, version=version))
    assert kinds(verdict, "error") == {"wrong version", "upside down"}
    assert '"0.2"' in verdict.of("error")[0].what


@pytest.mark.parametrize(
    "name",
    ["__MACOSX/a/b/._c", "__MACOSX/x.txt", "._", "._.DS_Store", "._seen.json", ".DS_Store", "Thumbs.db", "desktop.ini"],
)
def test_leftovers_are_a_note(name, judged):
    verdict = judged(document(logs()), [name])
    assert verdict.passes
    assert kinds(verdict, "note") == {"leftovers"}


@pytest.mark.parametrize(
    "name", ["sub/.DS_Store", "MACOSX/x", "thumbs.json", "test.json~", ".test.json", "__MACOSX"[:-1]]
)
def test_other_members_stay_errors(name, judged):
    assert kinds(judged(document(logs()), [name]), "error") <= {"nested folder", "unexpected member"}
    assert not judged(document(logs()), [name]).passes
