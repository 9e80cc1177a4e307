import json
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from gsm_bench.metrics.top_actions import top_actions
from gsm_bench.scorefile import NOT_SCORED, read
from gsm_bench.submit.ledger import Ledger
from tests.submit.conftest import LEVELS


def document(path, name="test.json"):
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [name]
        return json.loads(archive.read(name))


def test_epic_100(epic, save_epic, gsmbench):
    scores = read(save_epic("epic-100", "test", "mine")).scores
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 0, ran.err
    assert ran.out.strip() == "submissions/epic-100/mine.zip"
    assert "1 of today's attempts and 50 in total are left" in ran.err
    submission = document(epic.submissions / "epic-100" / "mine.zip")
    assert (submission["version"], submission["challenge"]) == ("0.2", "action_recognition")
    assert (submission["sls_pt"], submission["sls_tl"], submission["sls_td"]) == (1, 3, 3)
    assert list(submission["results"]) == [f"P01_101_{at}" for at in range(5)]
    for row, result in enumerate(submission["results"].values()):
        assert set(result) == {"verb", "noun"}
        assert list(result["verb"]) == [str(at) for at in range(97)]
        mean = scores["verb"][row].mean(0)
        assert np.argsort(list(result["verb"].values())).tolist() == np.argsort(mean).tolist()
        assert np.exp(list(result["noun"].values())).sum() == pytest.approx(1, abs=1e-4)


def test_the_same_scores_give_the_same_bytes(submitted_zip, gsmbench):
    before = submitted_zip.read_bytes()
    assert gsmbench("submit", "epic100", *LEVELS, "--force").status == 0
    assert submitted_zip.read_bytes() == before


def test_epic_55_zips_both_splits_of_one_source(epic, save_epic, gsmbench):
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "mine", head=True)
    first = gsmbench("submit", "epic", "--split", "s1")
    assert first.status == 0, first.err
    assert "no longer valid in February 2024" in first.err
    assert "the zip needs s2 too: gsmbench submit epic --split s2" in first.err
    second = gsmbench("submit", "epic", "--split", "s2")
    assert second.out.split() == ["submissions/epic-55/mine/unseen.json", "submissions/epic-55/mine.zip"]
    with zipfile.ZipFile(epic.submissions / "epic-55" / "mine.zip") as archive:
        assert sorted(archive.namelist()) == ["seen.json", "unseen.json"]
        assert archive.read("seen.json") == (epic.submissions / "epic-55/mine/seen.json").read_bytes()
    assert gsmbench("check", epic.submissions / "epic-55" / "mine.zip").status == 0


def test_epic_55_is_not_zipped_from_two_sources(epic, save_epic, gsmbench):
    save_epic("epic-55", "s1", "mine")
    assert gsmbench("submit", "epic", "--split", "s1").status == 0
    save_epic("epic-55", "s2", "mine", seed=8)
    ran = gsmbench("submit", "epic", "--split", "s2")
    assert ran.status == 0
    assert "seen.json has other scores or settings, so no zip is written" in ran.err
    assert not (epic.submissions / "epic-55" / "mine.zip").exists()


def test_actions_come_from_the_head_if_every_member_has_one(epic, save_epic, gsmbench):
    """The small training list has three actions, the real one 2,513: here the head has 100 of its own."""

    def hundred(content):
        scores = dict(content.scores)
        scores["action"] = np.random.default_rng(3).standard_normal((4, 2, 120)).astype(np.float32)
        names = {**content.class_names, "action": tuple(f"{at // 40},{at % 40}" for at in range(120))}
        classes = {**content.classes_per_task, "action": 120}
        return replace(content, scores=scores, class_names=names, classes_per_task=classes)

    path = save_epic("epic-55", "s1", "with_head", head=True, change=hundred)
    ran = gsmbench("submit", "epic", "--split", "s1", "--model", "with_head", "--scores", path)
    assert ran.status == 2
    assert "one of --model, --ensemble and --scores" in ran.err
    ran = gsmbench("submit", "epic", "--split", "s1", "--scores", path)
    assert ran.status == 0, ran.err
    assert "actions from the action head (every member has one)" in ran.err
    listed = document(epic.root / ran.out.strip())["results"]["100"]["action"]
    mean = read(path).scores["action"][0].mean(0)
    assert list(listed) == [f"{at // 40},{at % 40}" for at in np.argsort(-mean, kind="stable")[:100]]


def test_actions_come_from_verb_x_noun_otherwise(epic, save_epic, gsmbench):
    path = save_epic("epic-55", "s1", "mine")
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert "actions from verb x noun (mine has no action head)" in ran.err
    listed = document(epic.root / ran.out.strip())["results"]["101"]["action"]
    scores = read(path).scores
    best = top_actions(scores["verb"][1:2].mean(1), scores["noun"][1:2].mean(1))
    assert list(listed) == [f"{v},{n}" for v, n in zip(best.verbs[0], best.nouns[0], strict=True)]


def spoiled(task="verb", value=np.nan):
    def change(content):
        content.scores[task][2, :, 5] = value
        return content

    return change


def without_last(content):
    return replace(
        content, ids=content.ids[:-1], status=content.status[:-1], scores={t: s[:-1] for t, s in content.scores.items()}
    )


def renamed(content):
    return replace(content, ids=(*content.ids[:-1], "P99_1_1"))


def unscored(content):
    content.status[1] = NOT_SCORED
    return content


def one_class_less(content):
    return replace(
        content,
        classes_per_task={"verb": 97, "noun": 299},
        scores={**content.scores, "noun": content.scores["noun"][:, :, :299]},
        class_names={},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoiled(), "hold no numbers"),
        (spoiled("noun", np.inf), "hold no numbers"),
        (spoiled("noun", -np.inf), "infinite noun scores, first P01_101_2"),
        (without_last, "1 segments of epic-100/test are missing, first P01_101_4"),
        (renamed, "1 ids are not in epic-100/test, first P99_1_1"),
        (unscored, "1 segments have no score, first P01_101_1: the server needs all of them"),
        (one_class_less, "299 noun classes, EPIC-KITCHENS-100 has 300"),
        (lambda content: replace(content, order="unverified"), "these scores have no segment ids"),
    ],
)
def test_scores_that_the_server_would_not_take(epic, save_epic, gsmbench, change, message):
    save_epic("epic-100", "test", "mine", change=change)
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert message in ran.err
    assert "fix:" in ran.err
    assert not list(epic.submissions.rglob("*.zip"))


def test_members_of_unlike_kinds_are_refused(epic, save_epic, gsmbench):
    def as_probabilities(content):
        return replace(
            content, scores={t: np.abs(s) / np.abs(s).sum(2, keepdims=True) for t, s in content.scores.items()}
        )

    save_epic("epic-100", "test", "epic100_bninc_16f")
    save_epic("epic-100", "test", "other", change=as_probabilities, kind="probabilities")
    (epic.manifests / "mine.toml").write_text(
        '[models.other]\ntitle = "Other"\nnetwork = "a:b"\nframes = 8\nclasses = { verb = 97, noun = 300 }\nclass_order = "file"\n'
        'input = { size = 32, resize = 36, channel_order = "BGR", value_range = 255, mean = [1, 1, 1], std = [1, 1, 1] }\n'
        'checkpoint = { file = "x" }\ndataset = "epic-100"\nsplit = "test"\n'
        '[ensembles.both]\nmembers = [{ model = "epic100_bninc_16f" }, { model = "other" }]\n'
    )
    ran = gsmbench("submit", "epic100", *LEVELS, "--ensemble", "both")
    assert ran.status == 1
    assert "unlike kinds" in ran.err
    ran = gsmbench("submit", "epic100", *LEVELS, "--ensemble", "both", "--space", "log_probabilities")
    assert ran.status == 0, ran.err


def test_levels_are_never_defaulted(epic, save_epic, gsmbench):
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", "--sls-pt", 1, "--sls-tl", 3)
    assert ran.status == 2
    assert "--sls-td" in ran.err
    assert gsmbench("submit", "epic100", "--sls-pt", 6, "--sls-tl", 3, "--sls-td", 3).status == 2


@pytest.mark.parametrize(
    ("entry", "levels", "message"),
    [
        (
            {"pretraining": "ImageNet"},
            (0, 3, 3),
            "sls_pt 0: pretraining, none, but the entries have pretraining ImageNet",
        ),
        ({"pretraining": "ImageNet"}, (2, 3, 3), "public images and video, but the entries have pretraining ImageNet"),
        ({"pretraining": "Kinetics"}, (1, 3, 3), "sls_pt 1"),
        ({"trained_on": ["epic-100/train"]}, (1, 3, 2), "sls_td 2"),
        ({"trained_on": ["epic-100/train"]}, (1, 3, 4), "sls_td 4"),
        ({"trained_on": ["epic-100/train", "epic-100/validation"]}, (1, 3, 3), "sls_td 3"),
    ],
)
def test_levels_that_the_entries_contradict(epic, save_epic, gsmbench, entry, levels, message):
    save_epic("epic-100", "test", "mine", entry=entry)
    pt, tl, td = levels
    ran = gsmbench("submit", "epic100", "--sls-pt", pt, "--sls-tl", tl, "--sls-td", td)
    assert ran.status == 1
    assert message in ran.err


def test_which_score_file(epic, save_epic, gsmbench):
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "gsmbench score --model NAME --dataset epic-100 --split test" in ran.err
    save_epic("epic-100", "test", "a")
    save_epic("epic-100", "test", "b")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "--scores scores/epic-100/test/a.h5" in ran.err
    assert "--scores scores/epic-100/test/b.h5" in ran.err
    assert gsmbench("submit", "epic100", *LEVELS, "--scores", "scores/epic-100/test/b.h5").status == 0
    ran = gsmbench("submit", "epic100", *LEVELS, "--model", "epic100_bninc_16f")
    assert "gsmbench score --model epic100_bninc_16f --split test" in ran.err


def test_nothing_is_overwritten_unasked(submitted_zip, gsmbench):
    before = submitted_zip.read_bytes()
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "this file exists already" in ran.err
    assert submitted_zip.read_bytes() == before


def test_a_file_that_is_there_is_found_before_the_work(submitted_zip, gsmbench, monkeypatch):
    from gsm_bench.submit import run as module

    monkeypatch.setattr(module, "build", lambda *_: pytest.fail("fused before the place was looked at"))
    for choices in ([], ["--out", submitted_zip]):
        ran = gsmbench("submit", "epic100", *LEVELS, *choices)
        assert ran.status == 1
        assert "this file exists already" in ran.err


def test_a_zip_that_is_there_is_found_before_its_last_split_is_written(epic, save_epic, gsmbench):
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "mine")
        assert gsmbench("submit", "epic", "--split", split).status == 0
    seen = epic.submissions / "epic-55/mine/seen.json"
    seen.unlink()
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert ran.status == 1
    assert "mine.zip" in ran.err
    assert not seen.exists()
    assert gsmbench("submit", "epic", "--split", "s1", "--force").status == 0


def test_a_model_trained_on_the_split_is_refused(epic, save_epic, gsmbench):
    save_epic("epic-55", "s1", "mine", entry={"trained_on": ["epic-100/train", "epic-100/validation"]})
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert ran.status == 1
    assert "mine was trained on epic-100/validation, which overlaps epic-55/s1: 8,032 of its 8,047" in ran.err
    ran = gsmbench("submit", "epic", "--split", "s1", "--allow-leak")
    assert ran.status == 0
    assert "leak: mine was trained on epic-100/validation" in ran.err


def test_a_disk_that_lies_leaves_nothing_in_place(epic, save_epic, gsmbench, monkeypatch):
    """What is written is read back from disk before it gets its name."""
    from gsm_bench.submit import writing as module

    whole = module.json_pieces

    def lossy(answers, target):
        pieces = list(whole(answers, target))
        return [pieces[0], pieces[1].replace(b"-", b"", 1), *pieces[2:]]

    monkeypatch.setattr(module, "json_pieces", lossy)
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "the written file" in ran.err
    assert not list((epic.submissions / "epic-100").iterdir())


def test_log(submitted_zip, epic, gsmbench):
    ran = gsmbench("submit", "log", submitted_zip, "--score", "verb=65.2,noun=48", "--score", "action=35.5")
    assert ran.status == 0, ran.err
    assert "0 of today's attempts and 49 in total are left" in ran.err
    assert (
        gsmbench("submit", "log", submitted_zip, "--failed", "MissingResultException", "--date", "2026-01-02").status
        == 0
    )
    shown = json.loads(gsmbench("submit", "log", "--format", "json").out)
    assert [row["event"] for row in shown["rows"]] == ["written", "sent", "failed"]
    assert shown["rows"][1]["score"] == "verb 65.2, noun 48, action 35.5"
    assert "0 of today's attempts and 48 in total" in shown["notes"][0]


def test_attempts_end_with_the_day(submitted_zip, epic, gsmbench):
    gsmbench("submit", "log", submitted_zip, "--score", "verb=1", "--date", "2026-03-01T23:59:00+00:00")
    ledger = Ledger(epic.submissions / "ledger.jsonl")
    assert ledger.attempts("epic-100", datetime(2026, 3, 1, 12, tzinfo=UTC)).left_today == 0
    assert ledger.attempts("epic-100", datetime(2026, 3, 2, 0, 1, tzinfo=UTC)).left_today == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["submissions/epic-100/mine.zip"], 2, "give the server's result"),
        (["submissions/epic-100/mine.zip", "--score", "65"], 1, "is not a score"),
        (["submissions/epic-100/mine.zip", "--score", "verb=high"], 1, "is not a score"),
        (["submissions/epic-100/mine.zip", "--score", "verb=nan"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=inf"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=652"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=65.2,verb=3"], 1, "verb is given twice"),
        (["submissions/epic-100/mine.zip", "--score", "verb=1", "--date", "2999-01-01"], 1, "is in the future"),
        (["submissions/epic-100/mine.zip", "--score", "verb=1", "--date", "yesterday"], 1, "is not a date"),
        (["nowhere.zip", "--score", "verb=1"], 1, "no such file"),
        (["toynet.py", "--score", "verb=1"], 1, "this file is not in the ledger"),
        (["--score", "verb=1"], 2, "name the file that was sent"),
    ],
)
def test_log_wrongly(submitted_zip, gsmbench, arguments, status, message):
    ran = gsmbench("submit", "log", *arguments)
    assert ran.status == status
    assert message in ran.err


def test_a_damaged_ledger_is_named(submitted_zip, epic, gsmbench):
    path = epic.submissions / "ledger.jsonl"
    path.write_text(path.read_text() + "{broken\n")
    ran = gsmbench("submit", "log")
    assert ran.status == 1
    assert "ledger.jsonl, line 2" in ran.err


def test_an_answer_that_is_refused_leaves_the_ledger_as_it_was(submitted_zip, epic, gsmbench):
    before = (epic.submissions / "ledger.jsonl").read_bytes()
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=nan").status == 1
    assert (epic.submissions / "ledger.jsonl").read_bytes() == before
    assert gsmbench("submit", "log").status == 0


@pytest.mark.parametrize("damage", [b"{broken\n", b"\xff\xfe\n", b'{"event": "sent"}\n'])
def test_a_damaged_ledger_is_told_before_anything_is_written(submitted_zip, epic, gsmbench, damage):
    path = epic.submissions / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    ran = gsmbench("submit", "epic100", *LEVELS, "--out", "second.zip")
    assert ran.status == 1
    assert "ledger.jsonl, line 2" in ran.err
    assert not (epic.root / "second.zip").exists()
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 0, "a damaged ledger does not stop the check"
    assert "not compared with the ledger: a line of the ledger is damaged" in ran.err


def test_a_ledger_without_its_last_line_end_is_gone_on_with(submitted_zip, epic, gsmbench):
    path = epic.submissions / "ledger.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=1").status == 0
    assert [entry.event for entry in Ledger(path).entries()] == ["written", "sent"]


def test_a_date_without_a_zone_is_in_utc(submitted_zip, epic, gsmbench, monkeypatch):
    """In Tokyo a local midnight would be the day before, whose attempt was another one."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        gsmbench("submit", "log", submitted_zip, "--score", "verb=1", "--date", "2026-03-01")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert Ledger(epic.submissions / "ledger.jsonl").entries()[-1].date == "2026-03-01T00:00:00+00:00"


def test_a_leak_is_found_in_scores_that_do_not_say_their_split(epic, save_epic, gsmbench):
    def unnamed(content):
        return replace(content, provenance=replace(content.provenance, dataset=None, split=None))

    save_epic("epic-55", "s1", "mine", change=unnamed, entry={"trained_on": ["epic-100/validation"]})
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert ran.status == 1
    assert "mine was trained on epic-100/validation, which overlaps epic-55/s1" in ran.err


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("probabilities", lambda scores: scores, "said to be probabilities, but lie between"),
        ("log_probabilities", lambda scores: scores, "said to be log-probabilities, but are as high as"),
        ("logits", softmax, "said to be logits, but none is negative and those of every clip add up to 1"),
    ],
)
def test_scores_of_another_kind_than_they_say(epic, save_epic, gsmbench, kind, change, message):
    """Verb x noun of such scores ranks other actions than the network meant, and nothing later can tell."""

    def changed(content):
        return replace(content, scores={task: change(values) for task, values in content.scores.items()})

    save_epic("epic-100", "test", "mine", kind=kind, change=changed)
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert f"the verb scores of mine are {message}" in ran.err
    assert "attribute `kind` of /scores/verb" in ran.err
    path = save_epic("epic-100", "validation", "mine", kind=kind, change=changed)
    for command in (["evaluate", path], ["evaluate", path, "--parts"], ["ensemble", "--members", f"{path},{path}"]):
        ran = gsmbench(*command)
        assert ran.status == 1
        assert message in ran.err


def test_swapped_verbs_and_nouns_are_called_so(epic, save_epic, gsmbench):
    def swapped(content):
        verb, noun = content.scores["verb"], content.scores["noun"]
        classes = {"verb": 300, "noun": 97}
        return replace(content, scores={"verb": noun, "noun": verb}, classes_per_task=classes, class_names={})

    save_epic("epic-100", "test", "mine", change=swapped)
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "the verbs and nouns of mine are swapped: 300 verbs, 97 nouns" in ran.err


def test_scores_of_a_network_that_learned_nothing_are_said(epic, save_epic, gsmbench):
    def flat(content):
        content.scores["verb"][1] = 2.0
        content.scores["noun"][:] = content.scores["noun"][:1]
        return content

    save_epic("epic-100", "test", "mine", change=flat)
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 0
    assert "note: 1 segments have equal scores for every verb, first P01_101_1" in ran.err
    assert "note: all segments have the same noun scores" in ran.err


def test_a_bare_json_has_to_be_zipped(submitted_zip, epic, gsmbench):
    (epic.root / "test.json").write_bytes(zipfile.ZipFile(submitted_zip).read("test.json"))
    findings = json.loads(gsmbench("check", "test.json", "--format", "json").out)["rows"]
    assert [(row["verdict"], row["kind"]) for row in findings] == [("note", "not a zip")]
    submitted_zip.rename(epic.root / "upper.ZIP")
    assert json.loads(gsmbench("check", "upper.ZIP", "--format", "json").out)["rows"] == []
    ran = gsmbench("check", "upper.ZIP")
    assert "upper.ZIP: EPIC-KITCHENS-100 would accept it (5 segments)" in ran.out, (
        "on one line, however narrow the table"
    )


def test_the_quicker_of_two_submissions_stays(epic, save_epic, gsmbench, monkeypatch):
    """The other one saw no file when it began."""
    from gsm_bench.submit import writing as module

    whole, place = module.write_zip, epic.submissions / "epic-100" / "mine.zip"

    def slow(path, members):
        whole(path, members)
        place.write_bytes(b"of another process")

    monkeypatch.setattr(module, "write_zip", slow)
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "this file exists already" in ran.err
    assert place.read_bytes() == b"of another process"
    assert [path.name for path in place.parent.iterdir()] == ["mine.zip"]
    assert gsmbench("submit", "epic100", *LEVELS, "--force").status == 0


@pytest.mark.parametrize("out", ["file.tar", "file.ZIP", "file", "submissions", "folder.zip"])
def test_out_is_a_zip_or_a_json(epic, save_epic, gsmbench, out):
    (epic.root / "folder.zip").mkdir()
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS, "--out", epic.root / out)
    assert ran.status == 2
    assert "name a .zip or a .json file" in ran.err
    assert not (epic.root / out).is_file()


def test_what_cannot_be_known_of_two_splits_is_said(epic, save_epic, gsmbench):
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "mine", signature=None)
        ran = gsmbench("submit", "epic", "--split", split)
        assert ran.status == 0
        assert "the scores of mine have no signature: make sure that s1 and s2 come from one model" in ran.err
    save_epic("epic-100", "test", "mine", signature=None)
    assert "have no signature" not in gsmbench("submit", "epic100", *LEVELS).err


def test_an_answer_goes_to_the_file_that_was_sent_not_to_its_twin(submitted_zip, epic, gsmbench):
    """Equal scores give equal bytes; the name tells which of the two was sent."""
    assert gsmbench("submit", "epic100", *LEVELS, "--out", epic.root / "twin.zip").status == 0
    assert (epic.root / "twin.zip").read_bytes() == submitted_zip.read_bytes()
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=1").status == 0
    sent = Ledger(epic.submissions / "ledger.jsonl").entries()[-1]
    assert (sent.event, sent.file) == ("sent", "submissions/epic-100/mine.zip")


def test_unscored_segments_of_an_import_are_not_called_bad_frames(epic, save_epic, gsmbench):
    def holes(content):
        content.scores["verb"][0] = content.scores["noun"][0] = np.nan
        content.status[0] = NOT_SCORED
        return content

    save_epic("epic-100", "test", "mine", change=holes, imported_from="dump.pkl")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "1 segments have no score, first P01_101_0" in ran.err
    assert "import a dump that has all of them" in ran.err


def test_the_python_way_gives_the_same_bytes(submitted_zip, epic):
    """`prepare` writes nothing; `write_submission` gives the file of the command, with its ledger record."""
    from gsm_bench.manifest import load_manifest
    from gsm_bench.submit.epic import Options
    from gsm_bench.submit.run import SubmissionRequest, prepare, write_submission
    from gsm_bench.submit.targets import EPIC_100

    options = Options(sls={"sls_pt": 1, "sls_tl": 3, "sls_td": 3})
    path = epic.root / "again.zip"
    prepared = prepare(SubmissionRequest(EPIC_100, "test", options=options, out=path), load_manifest(epic), epic)
    assert not path.exists()
    written = write_submission(prepared, epic)
    assert path.read_bytes() == submitted_zip.read_bytes()
    assert (written.zip, written.waiting_for, written.file.size) == (None, "", path.stat().st_size)
    assert Ledger(epic.submissions / "ledger.jsonl").entries()[-1] == written.file.entry
