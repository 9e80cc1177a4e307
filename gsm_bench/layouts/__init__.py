"""Layouts of annotation files, with one reader each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gsm_bench.entries import DatasetEntry, SplitEntry
from gsm_bench.layouts.charades import read_charades
from gsm_bench.layouts.epic import read_epic_55, read_epic_100
from gsm_bench.layouts.folder import read_folder
from gsm_bench.layouts.hmdb51 import read_hmdb51
from gsm_bench.layouts.plain import read_diving48, read_plain, read_something_v1, read_something_v2
from gsm_bench.layouts.published import read_kinetics, read_ucf101
from gsm_bench.layouts.rows import ListRows
from gsm_bench.layouts.verb_noun import read_verb_noun
from gsm_bench.settings import Layout

READERS: dict[Layout, Callable[[DatasetEntry, Path], ListRows]] = {
    "something-v1": read_something_v1,
    "something-v2": read_something_v2,
    "diving48": read_diving48,
    "list": read_plain,
    "epic-55": read_epic_55,
    "epic-100": read_epic_100,
    "verb-noun": read_verb_noun,
    "ucf101": read_ucf101,
    "kinetics": read_kinetics,
    "charades": read_charades,
}
SPLIT_READERS: dict[Layout, Callable[[DatasetEntry, SplitEntry, Path], ListRows]] = {
    "hmdb51": read_hmdb51,
    "folder": read_folder,
}
"""Readers of layouts that need the entry of the split: its files belong to several splits, or it has none."""
