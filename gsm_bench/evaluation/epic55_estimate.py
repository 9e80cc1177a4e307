"""An estimate of EPIC-KITCHENS-55 results from the labels that EPIC-KITCHENS-100 made public.

The EPIC-55 board was declared no longer valid in February 2024, because its test labels came out inside EPIC-100. By
video, first and last frame, 8,032 of the 8,047 S1 segments and all 2,929 of S2 are in the public EPIC-100 files. Their
words are mapped back to EPIC-55 classes through the word lists of the EPIC-55 class files; words that no list holds, or
that two classes claim, are left out.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.errors import LabelError
from gsm_bench.layouts.epic import EPIC_55, Row, integers, read_table
from gsm_bench.splits import Labels, Split, with_action_labels

PUBLIC_FILES = ("EPIC_100_validation.csv", "EPIC_100_train.csv")
LABEL_AGREEMENT = {"verb": 0.931, "noun": 0.982}
"""How often a mapped class is the official one, over 14,253 segments that both training sets hold."""
Key = tuple[str, int, int]


@dataclass(frozen=True)
class Epic55PublicLabels:
    """Labels of an EPIC-55 test split, as far as they are public.

    Attributes:
        labels: int32 [N] per task in the split's order; -1 where a segment has no usable label.
        segments: of the split.
        public: segments that are in the public files.
        usable: segments per task that have a label; for actions, both.
        dropped: words without a class, with how many segments they affect, per task, most first.
        absent_files: public files that are missing, with their segments.
    """

    labels: Mapping[str, Labels]
    segments: int
    public: int
    usable: Mapping[str, int]
    dropped: Mapping[str, tuple[tuple[str, int], ...]]
    absent_files: tuple[str, ...]

    def noise(self, task: str) -> float:
        """Share of labels that may be wrong, by `LABEL_AGREEMENT`; for actions at most the sum of both."""
        wrong = {name: 1 - agreement for name, agreement in LABEL_AGREEMENT.items()}
        return sum(wrong.values()) if task == "action" else wrong[task]


def epic55_public_labels(split: Split, annotations_55: Path, annotations_100: Path) -> Epic55PublicLabels:
    """Labels of an EPIC-55 split from a clone of the EPIC-100 annotations.

    Args:
        split: ``s1`` or ``s2`` of EPIC-55.
        annotations_55: the directory with the EPIC-55 class files.
        annotations_100: the clone; a public file that is not in it leaves its segments out.

    Raises:
        LabelError: neither public file is there, or the split is not of segments.
    """
    files = [annotations_100 / name for name in PUBLIC_FILES if (annotations_100 / name).is_file()]
    if not files or split.segments is None:
        raise LabelError(
            "the public labels of EPIC-KITCHENS-100 are missing",
            where=annotations_100,
            fix="clone https://github.com/epic-kitchens/epic-kitchens-100-annotations there, or give --annotations DIR",
        )
    rows_by_key = {key: row for path in files for key, row in _keyed(path)}
    segments = split.segments
    stops = segments.starts + split.num_frames - 1
    keys = zip(segments.videos, segments.starts.tolist(), stops.tolist(), strict=True)
    rows = [rows_by_key.get(key) for key in keys]
    labels, dropped = {}, {}
    for task in ("verb", "noun"):
        classes = _classes_of_words(annotations_55, task)
        labels[task] = np.array([-1 if row is None else classes.get(row[task], -1) for row in rows], np.int32)
        dropped[task] = tuple(Counter(row[task] for row in rows if row and row[task] not in classes).most_common())
    usable = {task: int((values >= 0).sum()) for task, values in labels.items()}
    usable["action"] = int(((labels["verb"] >= 0) & (labels["noun"] >= 0)).sum())
    return Epic55PublicLabels(
        labels=with_action_labels(labels, split.class_names.get("action", ())),
        segments=len(split),
        public=sum(row is not None for row in rows),
        usable=usable,
        dropped=dropped,
        absent_files=tuple(name for name in PUBLIC_FILES if annotations_100 / name not in files),
    )


def _keyed(path: Path) -> Iterator[tuple[Key, Row]]:
    rows = read_table(path, ("video_id", "start_frame", "stop_frame", "verb", "noun"))
    starts, stops = (integers(rows, column, path) for column in ("start_frame", "stop_frame"))
    for row, start, stop in zip(rows, starts, stops, strict=True):
        yield (row["video_id"], start, stop), row


def _classes_of_words(directory: Path, task: str) -> dict[str, int]:
    """EPIC-55 classes by word; words that two classes claim are left out."""
    file, number, name = EPIC_55.classes[task]
    claimed: dict[str, set[int]] = {}
    rows = read_table(directory / file, (number, name, f"{task}s"))
    for line, (row, at) in enumerate(zip(rows, integers(rows, number, directory / file), strict=True), start=2):
        for word in (row[name], *_words(row[f"{task}s"], f"{directory / file}, line {line}")):
            claimed.setdefault(word, set()).add(at)
    return {word: min(classes) for word, classes in claimed.items() if len(classes) == 1}


def _words(text: str, where: str) -> list[str]:
    try:
        words = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise LabelError(f"{text!r} is no list of words", where=where, fix="clone the annotations' repository again")
    return words
