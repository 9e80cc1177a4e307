"""Submissions from scores."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.metrics.top_actions import top_actions
from gsm_bench.scorefile import NOT_SCORED, read
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
        (spoiled(), "NaN or inf scores"),
        (spoiled("noun", np.inf), "NaN or inf scores"),
        (spoiled("noun", -3e6), "infinite noun scores, first P01_101_2"),
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
    assert "different kinds" in ran.err
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


def test_a_model_trained_on_the_split_is_refused(epic, save_epic, gsmbench):
    save_epic("epic-55", "s1", "mine", entry={"trained_on": ["epic-100/train", "epic-100/validation"]})
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert ran.status == 1
    assert "mine was trained on epic-100/validation, which overlaps epic-55/s1: 8,032 of its 8,047" in ran.err
    ran = gsmbench("submit", "epic", "--split", "s1", "--allow-leak")
    assert ran.status == 0
    assert "leak: mine was trained on epic-100/validation" in ran.err


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
        ("probabilities", lambda scores: scores, "labelled probabilities, but lie between"),
        ("log_probabilities", lambda scores: scores, "labelled log-probabilities, but are as high as"),
        ("logits", softmax, "labelled logits, but none is negative and each row sums to 1"),
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


def test_swapped_verbs_and_nouns_are_named(epic, save_epic, gsmbench):
    def swapped(content):
        verb, noun = content.scores["verb"], content.scores["noun"]
        classes = {"verb": 300, "noun": 97}
        return replace(content, scores={"verb": noun, "noun": verb}, classes_per_task=classes, class_names={})

    save_epic("epic-100", "test", "mine", change=swapped)
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "the verbs and nouns of mine are swapped: 300 verbs, 97 nouns" in ran.err


def test_constant_scores_give_a_warning(epic, save_epic, gsmbench):
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


def test_a_warning_if_two_splits_cannot_be_compared(epic, save_epic, gsmbench):
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "mine", signature=None)
        ran = gsmbench("submit", "epic", "--split", split)
        assert ran.status == 0
        assert "the scores of mine have no signature: make sure that s1 and s2 come from one model" in ran.err
    save_epic("epic-100", "test", "mine", signature=None)
    assert "have no signature" not in gsmbench("submit", "epic100", *LEVELS).err


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


@pytest.mark.parametrize("task", ["verb", "noun"])
@pytest.mark.parametrize("masked", ["one class", "one segment's class", "most classes"])
def test_minus_infinity_is_written_as_a_very_low_score(epic, save_epic, gsmbench, task, masked):
    """The same bytes as with -10,000, and a file that passes without a warning."""
    contents = []
    for low in (-1e4, -np.inf):

        def change(content, low=low):
            rows, columns = {
                "one class": (slice(None), slice(5, 6)),
                "one segment's class": (slice(2, 3), slice(5, 6)),
                "most classes": (slice(None), slice(30, None)),
            }[masked]
            content.scores[task][rows, :, columns] = low
            return content

        save_epic("epic-100", "test", "mine", change=change)
        ran = gsmbench("submit", "epic100", *LEVELS, "--force")
        assert ran.status == 0, ran.err
        path = epic.root / ran.out.strip()
        contents.append(path.read_bytes())
        assert "warning" not in gsmbench("check", path).out
    assert contents[0] == contents[1]
