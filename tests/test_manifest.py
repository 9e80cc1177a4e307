from concurrent.futures import ThreadPoolExecutor

import pytest

from gsm_bench.errors import ManifestError
from gsm_bench.local_manifest import pin_checkpoint, raw_model, save_model
from gsm_bench.manifest import load_manifest, natural_key
from tests.conftest import TOY_MANIFEST

MODELS = {
    "inv3_8f", "inv3_12f", "inv3_16f", "inv3_24f", "bninc_8f", "bninc_16f", "tsn_bninc_8f", "tsn_bninc_16f",
    "tsn_inv3_8f", "diving48_inv3_16f", "epic_bninc_16f", "epic100_bninc_16f",
}  # fmt: skip


def test_everything_shipped_is_there(workspace):
    manifest = load_manifest(workspace)
    assert set(manifest.models) >= MODELS
    assert set(manifest.ensembles) >= {"En1", "En2", "En3", "En3x2"}
    assert set(manifest.datasets) >= {"something-v1", "diving48", "epic-55", "epic-100"}
    assert [(m.model, m.clips) for m in manifest.ensemble("En3x2").members] == [
        ("inv3_8f", 2),
        ("inv3_12f", 2),
        ("inv3_16f", 1),
        ("inv3_24f", 1),
    ]


def test_every_gsm_entry_serves_both_protocols(workspace):
    manifest = load_manifest(workspace)
    assert all(manifest.model(name).clips == 2 for name in MODELS if "tsn" not in name)


def test_cards_hold_the_released_input(workspace):
    spec = load_manifest(workspace).model("inv3_12f").input
    assert (spec.size, spec.resize, spec.channel_order, spec.value_range) == (229, 261, "BGR", 255)
    assert (spec.mean, spec.std) == ((104, 117, 128), (1, 1, 1))


def test_printed_accuracies(workspace):
    manifest = load_manifest(workspace)
    printed = manifest.model("inv3_12f").published_for(2, "validation")
    assert (printed.top1_percent, printed.top5_percent, printed.source) == (51.98, 79.99, "table 4")
    assert manifest.ensemble("En3x2").published[0].top1_percent == 55.16


def test_what_is_done_to_an_entry_does_not_reach_the_next_one_that_is_read(workspace):
    """The text of a manifest is parsed once; its values are not shared."""
    load_manifest(workspace).model("toy_bninc").options["width"] = 9
    assert load_manifest(workspace).model("toy_bninc").options == {"width": 0.125}


def test_natural_order(workspace):
    names = [entry.name for entry in load_manifest(workspace).matching_models(["inv3_*"])]
    assert names == ["inv3_8f", "inv3_12f", "inv3_16f", "inv3_24f"]
    assert natural_key("a8") < natural_key("a12")


def test_unknown_names_suggest(workspace):
    manifest = load_manifest(workspace)
    with pytest.raises(ManifestError, match="did you mean inv3_12f"):
        manifest.model("inv3_12")
    with pytest.raises(ManifestError, match="no ensemble 'En9'"):
        manifest.ensemble("En9")


def change(workspace, old, new):
    head, title, entry = TOY_MANIFEST.partition('title = "Toy BN-Inception"')
    assert old in TOY_MANIFEST
    changed = head + title + entry.replace(old, new) if old in entry else TOY_MANIFEST.replace(old, new)
    (workspace.manifests / "toy.toml").write_text(changed)


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("frames = 4", 'frames = "4"', "models.toy_bninc.frames", "Expected `int`"),
        ("frames = 4", "frames = 0", "models.toy_bninc.frames", ">= 1"),
        ("clips = 2", "clip = 2", "models.toy_bninc.clip", "did you mean clips"),
        ("size = 32,", "size = 99,", "models.toy_bninc.input.size", "at most input.resize"),
        ("resize = 36,", "resiz = 36,", "models.toy_bninc.input.resiz", "did you mean resize"),
        (
            'channel_order = "BGR"',
            'channel_order = "BRG"',
            "models.toy_bninc.input.channel_order",
            "Invalid enum value",
        ),
        ('network = "bninception"', 'network = "resnet"', "models.toy_bninc.network", "package.module:function"),
        ('temporal = "gsm"', 'temporal = "tsn"', "models.toy_bninc.temporal", "one of gsm, gsf, tsm, none"),
        ("std = [1, 1, 1]", "std = [1, 0, 1]", "models.toy_bninc.input.std", "positive"),
        ('dataset = "toy"', 'dataset = "tay"', "models.toy_bninc", "did you mean toy"),
        ('split = "val"', 'split = "test"', "models.toy_bninc.split", "its splits are val"),
        ("[datasets.toy.splits]", "[datasets.toy.split]", "datasets.toy.split", "did you mean splits"),
        ('{ lists = ["val.txt"] }', '{ list = ["val.txt"] }', "datasets.toy.splits.val.list", "did you mean lists"),
        ("[models.toy_bninc]", "[model.toy_bninc]", "toy.toml", "did you mean models"),
        ("clips = 2", "clips = ", "toy.toml", "not valid TOML"),
        ("{id}/{frame:05d}.jpg", "{foo}/{frame:05d}.jpg", "datasets.toy.frame_pattern", "a folder per video"),
        ("{id}/{frame:05d}.jpg", "{id}_{frame:05d}.jpg", "datasets.toy.frame_pattern", "a folder per video"),
        (
            'file = "toy_bninc.safetensors"',
            'file = "toy_bninc.safetensors", sha256 = "abc"',
            "checkpoint.sha256",
            "64 hexadecimal",
        ),
    ],
)
def test_a_bad_entry_stops_who_needs_it_with_file_key_and_expectation(workspace, old, new, key, expected):
    change(workspace, old, new)
    manifest = load_manifest(workspace)
    assert manifest.model("inv3_8f").name == "inv3_8f"
    with pytest.raises(ManifestError) as raised:
        manifest.model("toy_bninc")
    (problem, *_) = manifest.problems
    assert "toy.toml" in str(problem)
    assert key in str(problem)
    assert expected in str(problem)
    if "toy_bninc" in key:
        assert raised.value is problem


def test_a_section_that_is_no_table_stops_nobody(workspace):
    change(workspace, "\n[datasets.toy]", "tables = 3\n[datasets.toy]")
    manifest = load_manifest(workspace)
    assert manifest.model("toy_bninc").frames == 4
    assert "[tables.NAME]" in str(manifest.problems[0]) and "toy.toml" in str(manifest.problems[0])


def test_a_wrong_entry_in_place_of_a_shipped_one_takes_what_refers_to_it_along(workspace):
    (workspace.manifests / "local.toml").write_text('[models.inv3_8f]\nlike = "inv3_8f"\nframes = "8"\n')
    manifest = load_manifest(workspace)
    assert len(manifest.problems) == 1
    assert "inv3_8f" not in list(manifest.models) and "En1" not in list(manifest.ensembles)
    for look_up in (lambda: manifest.model("inv3_8f"), lambda: manifest.ensemble("En1"), lambda: manifest.table("4")):
        with pytest.raises(ManifestError) as raised:
            look_up()
        assert raised.value is manifest.problems[0]
    assert manifest.model("inv3_12f").frames == 12


def test_parallel_additions_are_all_kept(workspace):
    raw = raw_model(load_manifest(workspace).model("inv3_8f"))
    names = [f"mine_{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: save_model(workspace, name, raw), names))
    assert set(names) <= set(load_manifest(workspace).models)


def test_an_addition_to_a_file_that_is_no_toml_is_refused(workspace):
    path = workspace.manifests / "local.toml"
    path.write_text("[models.x\n")
    raw = raw_model(load_manifest(workspace).model("inv3_8f"))
    with pytest.raises(ManifestError, match="not valid TOML"):
        save_model(workspace, "mine", raw)
    assert path.read_text() == "[models.x\n"


def test_the_users_entry_wins_and_is_marked(workspace):
    raw = raw_model(load_manifest(workspace).model("inv3_8f")) | {"title": "mine"}
    save_model(workspace, "inv3_8f", raw)
    manifest = load_manifest(workspace)
    assert manifest.model("inv3_8f").title == "mine"
    assert manifest.origins["models", "inv3_8f"].overrides
    assert not manifest.origins["models", "inv3_12f"].overrides


def test_an_entry_like_another_takes_its_other_keys(workspace):
    (workspace.manifests / "local.toml").write_text(
        '[datasets.toy]\nlike = "toy"\nfirst_frame = 0\n\n[models.mine]\nlike = "inv3_8f"\ntitle = "Mine"\nframes = 16\n'
    )
    manifest = load_manifest(workspace)
    toy, mine, shipped = manifest.dataset("toy"), manifest.model("mine"), manifest.model("inv3_8f")
    assert (toy.first_frame, toy.classes, list(toy.splits)) == (0, 5, ["val", "bare", "unlabelled"])
    assert (mine.frames, mine.title, mine.input, mine.name) == (16, "Mine", shipped.input, "mine")
    (workspace.manifests / "local.toml").write_text('[datasets.toy]\nlike = "tay"\n')
    with pytest.raises(ManifestError, match=r"did you mean toy\?[^$]*datasets\.toy\.like"):
        load_manifest(workspace).dataset("toy")


def test_twice_in_the_users_files_is_an_error(workspace):
    (workspace.manifests / "again.toml").write_text(TOY_MANIFEST)
    with pytest.raises(ManifestError, match="defined twice"):
        load_manifest(workspace).model("toy_4f")


def test_saved_entry_reads_back_equal(workspace):
    entry = load_manifest(workspace).model("diving48_inv3_16f")
    save_model(workspace, "copy", raw_model(entry))
    again = load_manifest(workspace).model("copy")
    assert raw_model(again) == raw_model(entry)
    with pytest.raises(ManifestError, match="--force"):
        save_model(workspace, "copy", raw_model(entry))


def test_pin_writes_local_manifest_only(workspace):
    path = pin_checkpoint(workspace, load_manifest(workspace).model("inv3_8f"), "0" * 64)
    assert path == workspace.manifests / "local.toml"
    assert load_manifest(workspace).model("inv3_8f").checkpoint.sha256 == "0" * 64


@pytest.mark.parametrize("text", ["models = 3\n", "models = [1]\n", 'models = "a"\n', "models = 2024-01-01\n"])
def test_adding_to_a_file_whose_models_are_no_table(workspace, text):
    from gsm_bench.local_manifest import raw_model, save_model

    path = workspace.manifests / "local.toml"
    path.write_text(text)
    raw = raw_model(load_manifest(workspace).model("toy_4f"))
    with pytest.raises(ManifestError, match="not entries"):
        save_model(workspace, "new", raw)
    assert path.read_text() == text


def test_a_message_that_quotes_a_long_line_is_short():
    from gsm_bench.errors import GsmBenchError

    error = GsmBenchError("bad line " + "x" * 100_000 + " at its end", where="a.txt", fix="correct it")
    assert len(str(error)) < 1_200
    assert str(error).splitlines()[0].endswith("at its end")
    assert str(GsmBenchError("a\n" + "b" * 1_200)) == "a\n" + "b" * 1_200
