import json
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.ensembles.fuse import fuse_blocks  # noqa: E402
from gsm_bench.ensembles.members import (  # noqa: E402
    model_spec,
    open_members,
    reweighted,
    shared_out,
)
from gsm_bench.entries import CascadeEntry, Member  # noqa: E402
from gsm_bench.errors import RunConflictError  # noqa: E402
from gsm_bench.evaluation.ground_truth import ground_truth_for  # noqa: E402
from gsm_bench.evaluation.predictions import predict  # noqa: E402
from gsm_bench.local_manifest import save_cascade  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring import cascade as cascade_module  # noqa: E402
from gsm_bench.scoring.cascade import run_cascade  # noqa: E402
from gsm_bench.scoring.prepare import Request  # noqa: E402
from gsm_bench.selection.cascade import Setting, simulate, stages_of  # noqa: E402
from gsm_bench.selection.pool import choices_of  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

CLIPS = 40
MEMBERS = (Member("toy_4f", 1), Member("toy_bninc", 2, 2.0))


@pytest.fixture
def toys(workspace, gsmbench):
    """Two toy models, each scored on every clip."""
    make_clips(workspace, CLIPS)
    for name in ("toy_4f", "toy_bninc"):
        make_checkpoint(workspace, name)
        assert gsmbench("score", "--model", name, "--quiet").status == 0
    return workspace


def entry_of(toys, share=0.5, rule="confidence"):
    """A cascade in which about this share of the clips goes on."""
    known = stages(toys)
    threshold = float(np.quantile(known.confidence[rule][0], share))
    return CascadeEntry("quick", MEMBERS, rule, (threshold,))


def opened(toys):
    manifest = load_manifest(toys)
    specs = [model_spec(manifest.model(m.model), manifest, toys, None, None, m.clips) for m in MEMBERS]
    return open_members(reweighted(specs, [m.weight for m in MEMBERS]))


def stages(toys):
    with opened(toys) as members:
        labels = ground_truth_for(members[0].head, load_manifest(toys), toys).labels["action"]
        return stages_of(members, "action", "logits", labels, choices_of(members))


def run_it(toys, entry, **choices):
    return run_cascade(entry, Request("", **choices), load_manifest(toys), toys, lambda _: nullcontext(lambda _: None))


@pytest.mark.parametrize("rule", ["confidence", "margin", "entropy"])
def test_equals_the_simulation(toys, rule):
    entry = entry_of(toys, rule=rule)
    outcome = run_it(toys, entry)
    simulated = simulate(stages(toys), Setting(entry.rule, entry.thresholds))
    later = np.flatnonzero(simulated.stop == 1)
    assert outcome.reached == (CLIPS, len(later))
    assert 0 < len(later) < CLIPS
    second = read(toys.root / "scores/toy/val/quick.stages/2-toy_bninc.h5")
    found = read(outcome.path)
    assert second.ids == tuple(found.ids[row] for row in later)
    with opened(toys) as members:
        labels = ground_truth_for(members[0].head, load_manifest(toys), toys).labels["action"]
        alone = predict(shared_out(members[:1]), "action", "logits", labels)
        both = predict(members, "action", "logits", labels)
    best = np.where(simulated.stop == 1, both.best, alone.best)
    assert np.array_equal(found.scores["action"][:, 0].argmax(axis=1), best)
    assert outcome.mean_macs == pytest.approx(simulated.mean_macs)


@pytest.mark.parametrize(("threshold", "reached"), [(0.0, (CLIPS,)), (1.0, (CLIPS, CLIPS))])
def test_ends(toys, threshold, reached):
    outcome = run_it(toys, CascadeEntry("quick", MEMBERS, "confidence", (threshold,)))
    assert outcome.reached == reached
    with opened(toys) as members:
        held = members if threshold else shared_out(members[:1])
        fused = np.concatenate([block.scores for block in fuse_blocks(held, "action", "logits")])
    assert np.allclose(read(outcome.path).scores["action"][:, 0], fused, atol=1e-5)


def test_interrupted_it_goes_on_where_it_was(toys, monkeypatch):
    entry, runs = entry_of(toys), []
    whole = content_hash(run_it(toys, entry, out=toys.root / "whole.h5").path)
    real = cascade_module.run

    def fails_at_the_second(job, network, progress):
        if runs:
            raise KeyboardInterrupt
        runs.append(job)
        return real(job, network, progress)

    monkeypatch.setattr(cascade_module, "run", fails_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_it(toys, entry)
    monkeypatch.setattr(cascade_module, "run", real)
    outcome = run_it(toys, entry)
    assert [stage.scored for stage in outcome.outcomes] == [0, outcome.reached[1]]
    assert content_hash(outcome.path) == whole
    again = run_it(toys, entry)
    assert [stage.scored for stage in again.outcomes] == [0, 0]
    assert content_hash(again.path) == whole


def test_other_thresholds_are_refused_and_fresh_replaces(toys):
    run_it(toys, entry_of(toys, 0.5))
    other = entry_of(toys, 0.2)
    with pytest.raises(RunConflictError, match="another cascade are already here"):
        run_it(toys, other)
    outcome = run_it(toys, other, fresh=True)
    assert outcome.reached[1] < CLIPS // 2


def test_a_clip_without_frames_is_named_and_goes_no_further(toys):
    for frame in (toys.data / "toy" / "frames" / "v3").iterdir():
        frame.write_bytes(b"no picture")
    outcome = run_it(toys, CascadeEntry("quick", MEMBERS, "confidence", (1.0,)))
    assert list(outcome.bad) == ["v3"]
    assert "toy_4f" in outcome.bad["v3"]
    assert outcome.reached == (CLIPS, CLIPS - 1)
    assert np.isnan(read(outcome.path).scores["action"][3]).all()


def test_command_line(toys, gsmbench):
    ran = gsmbench("cascade", "toy_4f,toy_bninc@2", "--save", "quick", "--format", "json")
    assert ran.status == 0, ran.err
    assert "gsmbench score --cascade quick" in ran.err
    rows = json.loads(ran.out)["rows"]
    chosen = next(row for row in rows if row["what"].startswith("chosen"))
    scored = gsmbench("score", "--cascade", "quick", "--quiet")
    assert scored.status == 0, scored.err
    assert scored.out.strip() == "scores/toy/val/quick.h5"
    row = json.loads(gsmbench("evaluate", "scores/toy/val/quick.h5", "--format", "json").out)["rows"][0]
    assert row["top1"] == chosen["top1"]
    assert row["frames"] == "4>4x2"
    assert row["macs_paper"] == pytest.approx(chosen["mean_macs"], abs=1)
    saved = json.loads(gsmbench("cascade", "quick", "--format", "json").out)["rows"][-1]
    assert saved["what"].startswith("quick")
    assert saved["top1"] == chosen["top1"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["score"], 2, "and --cascade NAME"),
        (["score", "--model", "toy_4f", "--cascade", "x"], 2, "and --cascade NAME"),
        (["score", "--cascade", "nosuch"], 1, "no cascade 'nosuch'"),
        (["score", "--cascade", "nosuch", "--shard", "1/2"], 2, "--cascade does not go with --shard"),
        (["cascade", "toy_4f"], 1, "at least two members"),
    ],
)
def test_wrong_use(gsmbench, workspace, arguments, status, message):
    ran = gsmbench(*arguments)
    assert ran.status == status
    assert message in ran.err


def test_a_bad_entry_is_refused(workspace, gsmbench):
    with pytest.raises(Exception, match="no model"):
        save_cascade(workspace, CascadeEntry("x", (Member("toy_4f"), Member("nosuch")), "margin", (0.5,)))
    (workspace.manifests / "mine.toml").write_text(
        '[cascades.x]\nmembers = [{ model = "toy_4f" }, { model = "toy_bninc" }]\nrule = "margin"\nthresholds = [0.5, 0.6]\n'
    )
    ran = gsmbench("score", "--cascade", "x")
    assert ran.status == 1
    assert "2 thresholds for 2 members" in ran.err


def test_clips_that_were_mended_join_the_later_stages(toys):
    """More clips go on than before: what the later stage has scored already stays."""
    entry = entry_of(toys)
    whole = run_it(toys, entry, out=toys.root / "whole.h5")
    later = list(read(toys.root / "whole.stages/2-toy_bninc.h5").ids)
    frames = toys.data / "toy/frames" / later[3]
    frames.rename(toys.root / "away")
    assert list(run_it(toys, entry).bad) == [later[3]]
    (toys.root / "away").rename(frames)
    again = run_it(toys, entry)
    assert again.bad == {}
    assert again.outcomes[0].scored == 1
    assert again.outcomes[1].scored <= 3, "the clip, and a last batch that was not full"
    assert content_hash(again.path) == content_hash(whole.path)


def test_a_later_stage_that_was_interrupted_before_clips_were_mended(toys, monkeypatch):
    entry = entry_of(toys)
    whole = run_it(toys, entry, out=toys.root / "whole.h5")
    clip = list(read(toys.root / "whole.stages/2-toy_bninc.h5").ids)[3]
    frames = toys.data / "toy/frames" / clip
    frames.rename(toys.root / "away")
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        runs = iter([cascade_module.run])
        killed.setattr(cascade_module, "run", lambda *what: next(runs, _begun_and_killed)(*what))
        run_it(toys, entry)
    (toys.root / "away").rename(frames)
    assert content_hash(run_it(toys, entry).path) == content_hash(whole.path)


def _begun_and_killed(job, *_):
    from gsm_bench.scoring.resume import open_run

    open_run(job)
    raise KeyboardInterrupt
