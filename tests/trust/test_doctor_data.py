import json

import pytest

from gsm_bench.manifest import load_manifest
from gsm_bench.trust.doctor import DoctorRequest, examine_frames
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_MANIFEST
from tests.trust.planted import FRAMES, SOUND, Planter, pictures, write


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The report on a data set of 90 sound videos and one of each kind of damage, and what was planted."""
    root = tmp_path_factory.mktemp("planted")
    (root / "manifests").mkdir()
    (root / "manifests" / "toy.toml").write_text(TOY_MANIFEST)
    frames = root / "data" / "toy" / "frames"
    for at in range(SOUND):
        write(frames / f"v{at:03d}", pictures(at))
    planter = Planter(frames).all()
    listed = {f"v{at:03d}": FRAMES for at in range(SOUND)} | planter.listed
    rows = "".join(f"{name} {count} {at % 5}\n" for at, (name, count) in enumerate(listed.items()))
    (root / "data" / "toy" / "val.txt").write_text(rows)
    (root / "data" / "toy" / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    before = sorted((path, path.lstat().st_mtime_ns) for path in (root / "data").rglob("*"))
    workspace = Workspace.locate(root)
    examined = examine_frames(DoctorRequest("toy", workers=2), load_manifest(workspace), workspace)
    assert sorted((path, path.lstat().st_mtime_ns) for path in (root / "data").rglob("*")) == before
    return examined, planter


def test_every_kind_of_damage_is_found(planted):
    examined, planter = planted
    kinds = {exam.id: [finding.kind for finding in exam.findings] for exam in examined.report.videos}
    missed = {name: (kind, kinds[name]) for name, kind in planter.expected.items() if kind not in kinds[name]}
    assert not missed
    assert len(planter.expected) >= 40


def test_nothing_is_found_in_sound_videos(planted):
    examined, planter = planted
    wrong = {exam.id: exam.findings for exam in examined.report.wrong if exam.id not in planter.expected}
    assert not wrong
