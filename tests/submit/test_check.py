"""The checker against 40 kinds of damage, each named, and against random ones."""

import io
import json
import random
import re
import zipfile

import numpy as np
import pytest

from gsm_bench.submit.check import check_file
from gsm_bench.submit.findings import Findings
from gsm_bench.submit.parse import load_json


def load(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def zipped(path, content, name="test.json", **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content, **options)


def results_edit(edit):
    """Damage the parsed document."""

    def damage(path):
        document = load(path)
        edit(document)
        zipped(path, json.dumps(document))

    return damage


def text_edit(before, after):
    """Damage the text of the document."""

    def damage(path):
        text = json.dumps(load(path))
        assert before in text
        zipped(path, text.replace(before, after, 1))

    return damage


def first(document):
    return document["results"]["P01_101_0"]


def set_value(value):
    return results_edit(lambda d: first(d)["verb"].update({"7": value}))


def number_edit(text):
    """Write the first score of class 7 as this text."""

    def damage(path):
        zipped(path, re.sub(r'"7": -?[0-9.e-]+', f'"7": {text}', json.dumps(load(path)), count=1))

    return damage


def archive_of(**files):
    def damage(path):
        content = json.dumps(load(path))
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name.replace("__", "/").replace("_dot_", "."), content if text is None else text)

    return damage


def twice(path):
    content = json.dumps(load(path))
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("test.json", content)
        archive.writestr("test.json", content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-400])


def flip_in_data(path):
    data = bytearray(path.read_bytes())
    data[2000] ^= 0x10
    path.write_bytes(data)


def encrypted(path):
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("test.json", "w") as member:
        for _ in range(600):
            member.write(bytes(1 << 20))


def lying_bomb(path):
    """The header says one byte; more comes out."""
    zipped(path, "0" * 100_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (1).to_bytes(4, "little")
    path.write_bytes(data)


def bzipped(path):
    content = json.dumps(load(path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("test.json", content)


DAMAGES = {
    "nested folder": ("nested folder", archive_of(submission__test_dot_json=None)),
    "folder beside the member": ("nested folder", archive_of(test_dot_json=None, other__test_dot_json="x")),
    "wrong member": ("unexpected member", archive_of(results_dot_json=None)),
    "extra member": ("unexpected member", archive_of(test_dot_json=None, notes_dot_txt="x")),
    "member of the other challenge": ("wrong member", archive_of(seen_dot_json=None)),
    "member twice": ("duplicate member", twice),
    "empty zip": ("empty zip", archive_of()),
    "truncated zip": ("broken zip", cut),
    "a flipped bit": ("broken zip", flip_in_data),
    "encrypted": ("encrypted", encrypted),
    "zip bomb": ("zip bomb", bomb),
    "a bomb that lies": ("broken zip|zip bomb", lying_bomb),
    "bzip2": ("zip feature", bzipped),
    "empty file": ("empty file", lambda path: path.write_bytes(b"")),
    "no file": ("no file", lambda path: path.unlink()),
    "not a zip": ("broken zip", lambda path: path.write_bytes(b"hello world")),
    "byte order mark": ("byte order mark", lambda path: zipped(path, b"\xef\xbb\xbf" + json.dumps(load(path)).encode())),
    "utf-16": ("byte order mark", lambda path: zipped(path, json.dumps(load(path)).encode("utf-16"))),
    "latin-1": ("not UTF-8", lambda path: zipped(path, json.dumps(load(path)).encode().replace(b"P01_101_0", b"P01_101_\xe9"))),
    "broken json": ("broken JSON", text_edit('"challenge"', "challenge")),
    "trailing comma": ("broken JSON", lambda path: zipped(path, json.dumps(load(path))[:-1] + ",}")),
    "a list": ("not an object", lambda path: zipped(path, "[1, 2]")),
    "nested too deep": ("broken JSON|nested too deep", lambda path: zipped(path, '{"a":' * 5000 + "1" + "}" * 5000)),
    "no version": ("wrong version", results_edit(lambda d: d.pop("version"))),
    "version of another challenge": ("wrong version", results_edit(lambda d: d.update(version="0.3"))),
    "version as a number": ("wrong version", results_edit(lambda d: d.update(version=0.2))),
    "wrong challenge": ("wrong challenge", results_edit(lambda d: d.update(challenge="action_detection"))),
    "no levels": ("supervision level", results_edit(lambda d: d.pop("sls_pt"))),
    "level 6": ("supervision level", results_edit(lambda d: d.update(sls_tl=6))),
    "level as a text": ("supervision level", results_edit(lambda d: d.update(sls_td="3"))),
    "level true": ("supervision level", results_edit(lambda d: d.update(sls_td=True))),
    "unknown key": ("unknown key", results_edit(lambda d: d.update(team="us"))),
    "no results": ("no results", results_edit(lambda d: d.pop("results"))),
    "results as a list": ("no results", results_edit(lambda d: d.update(results=[]))),
    "missing clip": ("missing ids", results_edit(lambda d: d["results"].pop("P01_101_3"))),
    "unknown clip": ("unexpected ids", results_edit(lambda d: d["results"].update(P99_1_1=first(d)))),
    "clips of another split": (
        "missing ids", results_edit(lambda d: d.update(results={"P01_11_0": first(d), "P01_11_1": first(d), "P18_02_0": first(d)})),
    ),
    "clip as a list": ("not an object", results_edit(lambda d: d["results"].update(P01_101_0=[]))),
    "no nouns": ("missing scores", results_edit(lambda d: first(d).pop("noun"))),
    "verbs as a list": ("not an object", results_edit(lambda d: first(d).update(verb=[0.1] * 97))),
    "96 verbs": ("missing class", results_edit(lambda d: first(d)["verb"].pop("96"))),
    "98 verbs": ("unknown class", results_edit(lambda d: first(d)["verb"].update({"97": 0.0}))),
    "class with a zero before it": ("unknown class", text_edit('"5":', '"05":')),
    "actions": ("actions not taken", results_edit(lambda d: first(d).update(action={}))),
    "score as a text": ("not a number", set_value("-3.5")),
    "score true": ("not a number", set_value(True)),
    "score null": ("not a number", set_value(None)),
    "NaN": ("not finite", set_value(float("nan"))),
    "infinity": ("not finite", set_value(float("-inf"))),
    "a number beyond float64": ("not finite", number_edit("-9e999")),
    "a number of 5,000 digits": ("broken JSON|not finite", number_edit("9" * 5000)),
    "duplicate class": ("duplicate key", text_edit('"7":', '"8": -1.0, "7":')),
    "duplicate clip": ("duplicate key", text_edit('"results": {', '"results": {"P01_101_0": 3, ')),
    "duplicate clip spelt otherwise": ("duplicate key", text_edit('"results": {', '"results": {"P01_101_\\u0030": 3, ')),
    "one odd row": ("odd rows", results_edit(lambda d: first(d)["verb"].update({"7": 4.0}))),
}  # fmt: skip


def fatal_kinds(table):
    return {row["kind"] for row in table["rows"] if row["verdict"] == "error"}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(submitted_zip, epic, gsmbench, name):
    """Checked as a file from elsewhere: without the ledger."""
    (epic.submissions / "ledger.jsonl").unlink()
    kinds, damage = DAMAGES[name]
    damage(submitted_zip)
    ran = gsmbench("check", submitted_zip, "--format", "json")
    assert ran.status == 1, ran.out
    table = json.loads(ran.out)
    assert fatal_kinds(table) & set(kinds.split("|")), table
    assert "the server would refuse or misread it" in table["title"]


ACTIONS = {
    "99 actions": ("number of actions", lambda actions: actions.pop(next(iter(actions)))),
    "101 actions": ("number of actions", lambda actions: actions.update({"124,351": -9.0, "123,351": -9.0})),
    "pair with a space": ("not an action", lambda actions: renamed_key(actions, "3, 4")),
    "pair with a dash": ("not an action", lambda actions: renamed_key(actions, "3-4")),
    "verb 125": ("not an action", lambda actions: renamed_key(actions, "125,4")),
    "noun 352": ("not an action", lambda actions: renamed_key(actions, "3,352")),
    "a verb of 5,000 digits": ("not an action", lambda actions: renamed_key(actions, "1" * 5000 + ",3")),
    "action score as a text": ("not a number", lambda actions: actions.update({next(iter(actions)): "1"})),
    "action score infinite": ("not finite", lambda actions: actions.update({next(iter(actions)): float("inf")})),
}  # fmt: skip


def renamed_key(actions, name):
    actions[name] = actions.pop(next(iter(actions)))


@pytest.mark.parametrize("name", ACTIONS)
def test_damaged_actions_are_named(submitted_json, epic, gsmbench, name):
    (epic.submissions / "ledger.jsonl").unlink()
    kind, damage = ACTIONS[name]
    document = load(submitted_json)
    damage(document["results"]["101"]["action"])
    submitted_json.write_text(json.dumps(document))
    ran = gsmbench("check", submitted_json, "--format", "json")
    assert ran.status == 1
    assert kind in fatal_kinds(json.loads(ran.out))


def test_files_of_others_pass(submitted_zip, submitted_json, epic, gsmbench):
    """Other order of clips and classes, other spacing, other compression, every float at full length."""
    (epic.submissions / "ledger.jsonl").unlink()
    for path in (submitted_zip, submitted_json):
        document = load(path)
        results = dict(reversed(document["results"].items()))
        for result in results.values():
            for task in ("verb", "noun"):
                result[task] = {key: value + 1e-13 for key, value in reversed(result[task].items())}
        text = json.dumps({**document, "results": results}, indent=2)
        path.write_text(text) if path.suffix == ".json" else zipped(path, text)
        ran = gsmbench("check", path)
        assert ran.status == 0, ran.out
        assert "would accept it" in ran.out


def test_raw_logits_of_others_pass_with_a_word_about_softmax(submitted_zip, epic, gsmbench):
    (epic.submissions / "ledger.jsonl").unlink()
    document = load(submitted_zip)
    for at, result in enumerate(document["results"].values()):
        result["verb"] = {key: value + 900 * at for key, value in result["verb"].items()}
    zipped(submitted_zip, json.dumps(document))
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 0
    assert "softmax over the whole file, which changes 4 segments" in " ".join(ran.out.split())


def test_probabilities_of_others_pass_with_a_word(submitted_zip, epic, gsmbench):
    (epic.submissions / "ledger.jsonl").unlink()
    document = load(submitted_zip)
    for result in document["results"].values():
        for task in ("verb", "noun"):
            result[task] = {key: float(np.exp(value)) for key, value in result[task].items()}
    zipped(submitted_zip, json.dumps(document))
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 0
    assert "probabilities" in ran.out


def test_without_the_lists_ids_are_not_checked_and_a_note_says_so(submitted_zip, epic, gsmbench):
    (epic.data / "epic-100" / "EPIC_100_test_timestamps.csv").unlink()
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 3
    assert "ids not checked" in ran.out


def test_segments_of_the_other_split_are_recognised(epic, save_epic, gsmbench):
    save_epic("epic-55", "s2", "mine")
    path = epic.root / gsmbench("submit", "epic", "--split", "s2").out.strip()
    renamed = path.with_name("seen.json")
    path.rename(renamed)
    ran = gsmbench("check", renamed, "--format", "json")
    assert ran.status == 1
    assert "ids of another split" in fatal_kinds(json.loads(ran.out))


def test_what_the_ledger_knows(submitted_zip, epic, gsmbench):
    assert "unchanged since" in gsmbench("check", submitted_zip).out
    document = load(submitted_zip)
    zipped(submitted_zip, json.dumps(document))
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 0
    assert "its scores did not" in ran.out
    name = min(first(document)["noun"], key=first(document)["noun"].get)
    first(document)["noun"][name] -= 0.00001
    zipped(submitted_zip, json.dumps(document))
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 1
    assert "its scores changed since it was written" in ran.out


def mutated_value(rng, document):
    result = rng.choice(list(document["results"].values()))
    task = rng.choice(["verb", "noun"])
    key = rng.choice(list(result[task]))
    wild = [
        rng.uniform(-20, 0),
        result[task][key] + rng.choice([-1e-5, 1e-5]),
        None,
        "x",
        [],
        {},
        True,
        0,
        1e308,
        float("nan"),
    ]
    result[task][key] = rng.choice(wild)


def mutated_key(rng, document):
    places = [document, document["results"], *document["results"].values()]
    places += [result[task] for result in document["results"].values() for task in ("verb", "noun")]
    place = rng.choice(places)
    key = rng.choice(list(place))
    action = rng.randrange(3)
    if action == 0:
        place[rng.choice(["", "x", key + " ", key + "0", " " + key, key[:-1]])] = place.pop(key)
    elif action == 1:
        del place[key]
    else:
        place[rng.choice(["extra", "97", "-1", "300", "action"])] = rng.choice([0.0, {}, None, "x"])


def test_a_thousand_random_mutations(submitted_zip, epic, gsmbench):
    """Of one byte, key or value: a pass only where the parsed content is the same; never a crash, no false alarm."""
    from gsm_bench.manifest import load_manifest
    from gsm_bench.submit.ledger import Ledger
    from gsm_bench.submit.validate import SplitIds, changed_since_written

    ids_of, ledger = SplitIds(load_manifest(epic), epic), Ledger(epic.submissions / "ledger.jsonl")
    good, document = submitted_zip.read_bytes(), load(submitted_zip)
    text = json.dumps(document).encode()

    def passes():
        verdict = check_file(submitted_zip, ids_of)
        findings = (*verdict.findings, *changed_since_written(submitted_zip, verdict, ledger, epic))
        return verdict.passes and not any(finding.severity == "error" for finding in findings)

    rng, passed = random.Random(2020), 0
    for number in range(1000):
        kind = number % 4
        if kind == 0:  # a byte of the zip
            data = bytearray(good)
            data[rng.randrange(len(data))] = rng.randrange(256)
            submitted_zip.write_bytes(data)
        elif kind == 1:  # a byte of the text
            data = bytearray(text)
            data[rng.randrange(len(data))] = rng.randrange(256)
            zipped(submitted_zip, bytes(data))
        else:
            changed = json.loads(text)
            (mutated_key if kind == 2 else mutated_value)(rng, changed)
            zipped(submitted_zip, json.dumps(changed))
        if passes():
            passed += 1
            assert load(submitted_zip) == document, f"mutation {number}"
    assert passed < 250, "bytes that say nothing, such as dates in the zip, are few"
    submitted_zip.write_bytes(good)
    assert passes()


def test_duplicates_are_found_in_any_layout():
    for text in (
        '{"a":1,"a":2}',
        '{ "a" : 1, "a" : 2 }',
        '{"b":{"a":":","a":1}}',
        '{"\\u0061":1,"a":2}',
        '[{"x:":1,"x:":2}]',
    ):
        findings = Findings()
        load_json(text.encode(), "x", findings)
        assert "duplicate key" in findings.counts, text
    for text in ('{"a":1,"b":2}', '{"a":":","b":{"c":[":::",{"d":1}]}}', '{"a:":1,":b":"x\\"y:"}'):
        findings = Findings()
        load_json(text.encode(), "x", findings)
        assert not findings.counts, text


def test_broken_rows_are_counted_and_the_first_named(submitted_zip, epic, gsmbench):
    document = load(submitted_zip)
    for result in document["results"].values():
        result["verb"]["3"] = None
    zipped(submitted_zip, json.dumps(document))
    (epic.submissions / "ledger.jsonl").unlink()
    rows = json.loads(gsmbench("check", submitted_zip, "--format", "json").out)["rows"]
    assert [row["where"] for row in rows[:1]] == ["test.json: 'P01_101_0': verb: 3"]
    assert rows[-1]["what"] == "2 more of this kind"


def test_random_bytes_are_checked_without_a_crash(tmp_path):
    rng = random.Random(5)
    for number in range(60):
        path = tmp_path / rng.choice(["a.zip", "test.json", "x.bin"])
        buffer = io.BytesIO()
        if number % 3 == 0:
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("test.json", rng.randbytes(50))
        path.write_bytes(buffer.getvalue() or rng.randbytes(rng.randrange(1, 200)))
        assert not check_file(path, lambda *_: None).passes
