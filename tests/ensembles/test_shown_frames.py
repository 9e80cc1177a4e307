"""Which frames each member is shown: the released rule, clip by clip, and nothing where it is not known."""

from pathlib import Path

import numpy as np
import pytest

from gsm_bench.api.bench import Bench
from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.ensembles.shown_frames import shown_clips
from tests.conftest import clip_scores


def head_of(**provenance):
    return clip_scores(np.zeros((2, 2, 3)), **provenance)


@pytest.mark.parametrize("videos", [8, 13, 40, 101])
def test_members_of_an_ensemble_see_the_frames_that_sampling_gives(workspace, videos):
    from gsm_bench.sampling import sample_indices

    members = Bench(workspace.root).source("En3x2").members
    clips = [clip for member in members for clip in shown_clips(member, None, videos)]
    assert [(clip.label, clip.clip, clip.clips) for clip in clips] == [
        ("inv3_8f", 1, 2), ("inv3_8f", 2, 2), ("inv3_12f", 1, 2), ("inv3_12f", 2, 2), ("inv3_16f", 1, 1), ("inv3_24f", 1, 1)
    ]  # fmt: skip
    expected = [
        row for frames, count in ((8, 2), (12, 2), (16, 1), (24, 1)) for row in sample_indices(videos, frames, count)
    ]
    assert all(np.array_equal(clip.numbers, row) for clip, row in zip(clips, expected, strict=True))


def test_a_score_file_says_how_many_frames_and_in_which_order():
    member = MemberSpec("other", Path("other.h5"), 2, 1.0)
    head = head_of(sampling={"frames": 4, "order": "reversed"})
    first, second = shown_clips(member, head, 10)
    assert first.numbers.tolist() == [8, 6, 3, 1]
    assert second.offset == 0.5


def test_nothing_is_shown_where_it_is_not_known():
    member = MemberSpec("other", Path("other.h5"), None, 1.0)
    assert shown_clips(member, None, 10) == []
    assert shown_clips(member, head_of(), 10) == []
    averaged = head_of(sampling={"frames": 4})
    averaged.views["offset"] = np.nan
    assert shown_clips(member, averaged, 10) == []


def test_a_video_without_frames_is_refused():
    member = MemberSpec("other", Path("other.h5"), None, 1.0)
    with pytest.raises(ValueError, match="cannot sample"):
        shown_clips(member, head_of(sampling={"frames": 4}), 0)


def test_a_registry_entry_says_its_sampling_before_there_are_scores():
    from dataclasses import replace

    from gsm_bench.manifest import load_manifest
    from gsm_bench.sampling_rules import Sampling, clip_indices

    sampling = Sampling("vjepa2", 2)
    entry = replace(load_manifest().model("inv3_8f"), sampling=sampling, clips=2)
    shown = shown_clips(MemberSpec("other", Path("other.h5"), None, 1.0, entry), None, 90)
    assert [one.numbers.tolist() for one in shown] == clip_indices(sampling, 90, 8, 2).tolist()
    assert [(one.clip, one.clips, one.offset) for one in shown] == [(1, 2, None), (2, 2, None)]


@pytest.mark.parametrize(
    "said",
    [{"rule": "of-tomorrow", "stride": 2}, {"rule": "slowfast"}, {"rule": "slowfast", "stride": "2"}, {"rule": 3}],
)
def test_nothing_is_shown_of_a_sampling_that_is_not_understood(said):
    head = head_of(sampling={"frames": 4, **said})
    head.views["offset"] = np.nan
    assert shown_clips(MemberSpec("other", Path("other.h5"), None, 1.0), head, 40) == []
