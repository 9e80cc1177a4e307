"""Lists of UCF101 and of Kinetics, as their owners publish them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import SplitError
from gsm_bench.layouts.rows import ListRows, class_names, csv_rows, load_object, text_lines, without_video_suffix

UCF_GROUP = re.compile(r".*_(g[0-9]+)_c[0-9]+")
UCF_ROW = re.compile(r"(?P<video>\S+)(?:\s+(?P<number>[0-9]{1,9}))?")
SECONDS = re.compile(r"([0-9]{1,6})(?:\.0+)?")


def read_ucf101(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows ``Class/v_Class_g01_c01.avi``, in training lists with the number of the class from 1.

    Ids are the paths without their suffix. The folder is the class; a number that is not that of the folder is refused.
    Videos of a class with the same number after ``_g`` are a group: they share features such as the background (Soomro et
    al., UCF101: a dataset of 101 human actions classes from videos in the wild, 2012).
    """
    names = class_names(entry, path.parent)
    if not names:
        raise SplitError(
            "the class names of this list are missing", where=path.parent,
            fix=f"put one of {', '.join(entry.class_files)} beside the list",
        )  # fmt: skip
    place = {name: index for index, name in enumerate(names)}
    ids, labels, groups = [], [], []
    for line, text in enumerate(text_lines(path), start=1):
        if not text.strip():
            continue
        row = UCF_ROW.fullmatch(text.strip())
        parts = PurePosixPath(row["video"].replace("\\", "/")).parts if row else ()
        where = f"{path}, line {line}"
        if row is None or len(parts) < 2 or parts[-2] not in place:
            raise SplitError(
                f"{text.strip()[:80]!r} is not <class>/<video>.avi with one of the {len(names)} classes", where=where,
                fix="use the lists and the classInd.txt of one release",
            )  # fmt: skip
        label = place[parts[-2]]
        if row["number"] is not None and int(row["number"]) != label + 1:
            raise SplitError(
                f"{parts[-2]!r} has the number {label + 1} in the class file, not {row['number']}", where=where,
                fix="use the lists and the classInd.txt of one release; their numbers begin at 1",
            )  # fmt: skip
        ids.append(f"{parts[-2]}/{without_video_suffix(parts[-1])}")
        labels.append(label)
        group = UCF_GROUP.fullmatch(ids[-1])
        groups.append(f"{parts[-2]}/{group[1]}" if group else ids[-1])
    return ListRows(ids, [0] * len(ids), {"action": labels}, {"action": names}, groups=groups)


def read_kinetics(entry: DatasetEntry, path: Path) -> ListRows:
    """Rows of a csv with ``youtube_id``, ``time_start``, ``time_end`` and, except in test lists, ``label``; or their JSON.

    Ids are ``<youtube_id>_<start>_<end>`` with six digits of seconds, as the usual downloads name their files. Classes are
    the sorted labels, of the class file or else of the list, which must have all of them.
    """
    rows = _annotated(path) if path.suffix == ".json" else csv_rows(path)
    absent = [name for name in ("youtube_id", "time_start", "time_end") if not rows or name not in rows[0]]
    if absent:
        raise SplitError(
            f"this csv has no column {absent[0]!r}", where=path, fix="use the csv of the release, with its header"
        )
    ids = [
        f"{row['youtube_id']}_{_seconds(row, 'time_start', path, line):06d}_{_seconds(row, 'time_end', path, line):06d}"
        for line, row in enumerate(rows, start=2)
    ]
    texts = [(row.get("label") or "").strip() for row in rows]
    names = class_names(entry, path.parent)
    if not any(texts):
        return ListRows(ids, [0] * len(ids), class_names={"action": names} if names else {})
    if "" in texts:
        raise SplitError(
            "this row has no label, but others do", where=f"{path}, row {texts.index('') + 2}", fix="correct the row"
        )
    listed = tuple(sorted(set(texts)))
    if not names and len(listed) != entry.tasks["action"]:
        raise SplitError(
            f"this list has {len(listed)} of {entry.tasks['action']} classes, so their numbers are unknown", where=path,
            fix=f"put the class names beside it, one per line: {entry.class_files[0]}",
        )  # fmt: skip
    place = {name: index for index, name in enumerate(names or listed)}
    for line, text in enumerate(texts, start=2):
        if text not in place:
            raise SplitError(
                f"{text!r} is not one of the {len(place)} class names", where=f"{path}, row {line}",
                fix="use the class file of the same release",
            )  # fmt: skip
    return ListRows(ids, [0] * len(ids), {"action": [place[text] for text in texts]}, {"action": names or listed})


def _annotated(path: Path) -> list[Mapping[str, str]]:
    """The JSON of a release, an object of ``annotations`` by video, as the rows of its csv."""
    document = load_object(path)
    rows: list[Mapping[str, str]] = []
    for video, entry in document.items():
        try:
            start, end = (f"{float(second):g}" for second in entry["annotations"]["segment"])
            label = str(entry["annotations"].get("label") or "")
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise SplitError(
                f"video {video[:40]!r} has no annotations with a segment of two seconds", where=path,
                fix="use the JSON of the release, or its csv",
            ) from error  # fmt: skip
        rows.append({"youtube_id": video, "time_start": start, "time_end": end, "label": label})
    return rows


def _seconds(row: Mapping[str, str], column: str, path: Path, line: int) -> int:
    text = row[column].strip()
    match = SECONDS.fullmatch(text)
    if match is None:
        raise SplitError(
            f"{text[:40]!r} in the column {column!r} is not a number of whole seconds", where=f"{path}, row {line}",
            fix="correct the row",
        )  # fmt: skip
    return int(match[1])
