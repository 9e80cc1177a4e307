"""The frames of every rule are those that the samplers of other projects gave for 2 to 1,001 frames at test time.

Each row: sampling, T, K, the last clip of a video of 100 frames, and half of the sha256 of the frame numbers of all
lengths as little-endian int64, from 1. They come from running SlowFast 287ec00 (`slowfast`, `slowfast-segments`),
temporal-shift-module 1f6a834 (`tsm-dense`, and `ticks` of 8 frames), VideoMAE 14ef8d8 (`ticks` of 16 frames on
Something-Something, `videomae` on Kinetics), vjepa2 c2963a4 and mmaction2 4d6c934.
"""

import hashlib

import numpy as np
import pytest

from gsm_bench.geometry import crop_corner
from gsm_bench.sampling_rules import TICKS, Sampling, clip_indices, parse_sampling, sampling_problem, view_offsets

# fmt: off
# ruff: noqa: E501
PEERS = [
    ("slowfast:8", 8, 10, [33, 42, 51, 60, 69, 78, 87, 96], "2660b9fdc438237dc5fb1681cc93dbda"),
    ("slowfast:2", 32, 10, [33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63, 65, 67, 69, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90, 92, 94, 96], "dac153166709ee1852912da595444bc6"),
    ("slowfast:4", 16, 4, [28, 32, 36, 40, 44, 49, 53, 57, 61, 65, 70, 74, 78, 82, 86, 91], "d082025c90247f5ebdefb8be1ad3f311"),
    ("slowfast-segments", 8, 1, [7, 19, 32, 44, 57, 69, 81, 94], "629280f7fdb49514e9a01f31405051bd"),
    ("slowfast-segments", 16, 1, [4, 10, 16, 23, 29, 35, 41, 47, 54, 60, 66, 72, 78, 84, 91, 97], "2f4b14903dc4b49a2cad0b1ec236c8a2"),
    ("tsm-dense", 8, 10, [37, 45, 53, 61, 69, 77, 85, 93], "b90ad0e8efe815b48730031076ab1d41"),
    ("tsm-dense", 16, 10, [37, 41, 45, 49, 53, 57, 61, 65, 69, 73, 77, 81, 85, 89, 93, 97], "b57176cea3652a001691fdea71ed2ef4"),
    ("ticks", 8, 1, [7, 19, 32, 44, 57, 69, 82, 94], "85221cd30f30558b73137fc7e40b3576"),
    ("ticks", 8, 2, [7, 19, 32, 44, 57, 69, 82, 94], "8d64f4a605acd61e5ea8678c1f0cdea8"),
    ("ticks", 16, 2, [4, 10, 16, 22, 29, 35, 41, 47, 54, 60, 66, 72, 79, 85, 91, 97], "1f198803c85b1c01f96df5bf228066a9"),
    ("videomae:4", 16, 5, [37, 41, 45, 49, 53, 57, 61, 65, 69, 73, 77, 81, 85, 89, 93, 97], "8341c69e1bc05df06014d2fa0b8009d7"),
    ("videomae:2", 16, 10, [69, 71, 73, 75, 77, 79, 81, 83, 85, 87, 89, 91, 93, 95, 97, 99], "c950bad111d3bcda0255989fd97c243b"),
    ("vjepa2:4", 16, 2, [37, 41, 46, 50, 55, 59, 64, 68, 73, 77, 82, 86, 91, 95, 99, 99], "48a9df1f3ca34be8c2d13ab1d187a012"),
    ("vjepa2:4", 16, 8, [36, 40, 45, 49, 54, 58, 63, 67, 72, 76, 81, 85, 90, 94, 98, 98], "666becdddb17b4149aefa86fefb586ab"),
    ("vjepa2:4", 16, 1, [1, 5, 9, 13, 18, 22, 26, 30, 35, 39, 43, 47, 52, 56, 60, 64], "e5e33d356f1e5cf66455ede2226c1802"),
    ("mmaction2:2", 32, 10, [38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62, 64, 66, 68, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90, 92, 94, 96, 98, 100], "6b207e054273bb9fbdffea237a266049"),
    ("mmaction2:8", 8, 10, [44, 52, 60, 68, 76, 84, 92, 100], "21c15f4a633d56d8d299b6afcd38bf49"),
    ("mmaction2:4", 16, 1, [20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80], "876d59f52c13234db3000350f0a46869"),
]
# fmt: on


@pytest.mark.parametrize(("text", "frames", "clips", "last_of_100", "digest"), PEERS)
def test_frames_are_those_of_the_project(text, frames, clips, last_of_100, digest):
    sampling = parse_sampling(text)
    numbers = np.stack([clip_indices(sampling, length, frames, clips) for length in range(2, 1002)])
    assert numbers[98, -1].tolist() == last_of_100
    assert hashlib.sha256(numbers.astype("<i8").tobytes()).hexdigest()[:32] == digest


@pytest.mark.parametrize("text", sorted({row[0] for row in PEERS}))
def test_frames_of_very_short_videos_exist(text):
    sampling = parse_sampling(text)
    for length in range(1, 12):
        numbers = clip_indices(sampling, length, 8, 1 if text == "slowfast-segments" else 3)
        assert numbers.min() >= 1 and numbers.max() <= length


@pytest.mark.parametrize(
    "text", ["", "dense", "slowfast:", "slowfast:0", "slowfast:-1", "slowfast:x", "slowfast:\u0664"]
)
def test_unknown_samplings_are_refused(text):
    with pytest.raises(ValueError, match=r"no sampling|not a stride"):
        parse_sampling(text)


def test_what_does_not_fit_together_is_said():
    assert "needs a stride" in sampling_problem(Sampling("slowfast"), 8, 10)
    assert "no stride" in sampling_problem(Sampling("ticks", 8), 8, 1)
    assert "at most 64" in sampling_problem(Sampling("tsm-dense"), 65, 10)
    assert "same frames" in sampling_problem(Sampling("slowfast-segments"), 8, 2)
    assert "at least 2 clips" in sampling_problem(Sampling("videomae", 4), 16, 1)
    with pytest.raises(ValueError, match="cannot sample"):
        clip_indices(TICKS, 0, 8, 1)
    with pytest.raises(ValueError, match="needs a stride"):
        clip_indices(Sampling("mmaction2"), 9, 8, 1)


def test_only_ticks_have_offsets():
    assert view_offsets(TICKS, 2) == (0.0, 0.5)
    assert np.isnan(view_offsets(Sampling("slowfast", 8), 10)).tolist() == [True] * 10


def test_three_crops_lie_along_the_longer_side():
    assert [crop_corner(455, 256, 256, crop) for crop in (5, 6, 7)] == [(0, 0), (99, 0), (199, 0)]
    assert [crop_corner(256, 455, 256, crop) for crop in (5, 6, 7)] == [(0, 0), (0, 99), (0, 199)]
    assert [crop_corner(300, 256, 224, crop) for crop in (5, 6, 7)] == [(0, 16), (38, 16), (76, 16)]
    assert [crop_corner(224, 224, 224, crop) for crop in (5, 6, 7)] == [(0, 0)] * 3
