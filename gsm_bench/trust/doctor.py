"""``gsmbench doctor data`` in one call: find the videos, examine them, compare them with each other, report."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import FrameError, GsmBenchError, RunConflictError
from gsm_bench.frames.sources import FrameSource, open_source
from gsm_bench.frames.sources.discover import discover
from gsm_bench.frames.sources.names import INFER_NAMES, Naming
from gsm_bench.frames.sources.readers import FrameReader, ReaderSource
from gsm_bench.manifest import Manifest
from gsm_bench.places import Place, RemoteUrl
from gsm_bench.scoring.list_columns import read_with_frames
from gsm_bench.settings import Prefer
from gsm_bench.splits import Split, Video, read_split
from gsm_bench.trust.data_findings import VideoExam, encodable
from gsm_bench.trust.data_looks import are_copies
from gsm_bench.trust.data_outliers import with_outliers
from gsm_bench.trust.data_report import FramesReport, fingerprint_of
from gsm_bench.trust.data_work import Examination, Progress, examine_all, forget
from gsm_bench.trust.report_files import keep_report
from gsm_bench.workspace import Workspace

SAMPLED_VIDEOS = 256
"""Videos that are looked up to find out where frames lie."""
COMPARED = 8
"""Frames of two videos that are compared, spread over them."""
RULES = 1
"""Version of what is looked for: chunks of another version are not continued."""


@dataclass(frozen=True)
class DoctorRequest:
    """Which frames to examine.

    Attributes:
        dataset, split: of the list; without a data set, all videos below `frames` are examined.
        data: directory of the data set; frames: a place of frames outside of it.
        prefer: what is read where a video has several forms.
        naming: file names of pictures, where there is no list.
    """

    dataset: str | None = None
    split: str | None = None
    data: Path | None = None
    frames: Place | None = None
    prefer: Prefer = "folder"
    naming: Naming = INFER_NAMES
    workers: int | None = None
    fresh: bool = False


@dataclass(frozen=True)
class _Place:
    """The videos to examine and where their frames are."""

    name: str
    source: ReaderSource
    videos: list[Video]
    frames: Place
    dataset: str = ""
    split: str = ""


@dataclass(frozen=True)
class Examined:
    """An examination: its report, where that is kept, and how many videos an earlier process had examined."""

    report: FramesReport
    path: Path
    resumed: int


class DiscoveredReaders:
    """Readers of the videos that were found below a folder."""

    def __init__(self, readers: dict[str, FrameReader]) -> None:
        self._readers = readers

    def __call__(self, video: Video) -> FrameReader:
        return self._readers[video.id]


def examine_frames(
    request: DoctorRequest, manifest: Manifest, workspace: Workspace, progress: Progress = lambda *_: None
) -> Examined:
    """Decode every frame of every video, and report what is wrong. Nothing is written beside the frames.

    A killed examination is resumed by the same request.

    Raises:
        GsmBenchError: the list, or all frames, are missing; or another process examines the same frames.
    """
    place = _place(request, manifest, workspace)
    folder = workspace.reports / "doctor"
    key = f"{place.dataset}/{place.split} {place.frames.resolve()} {request.prefer} {request.naming} {_ids(place)} {_rules()}"
    path = folder / f"{place.name}.{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:8]}.json"
    examination = Examination(
        place.source, place.videos, path.with_suffix(".parts"), key, request.workers or usable_cpus()
    )
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if request.fresh:
            forget(examination)
        started = _now()
        exams, resumed = examine_all(examination, progress)
        report = _report(place, exams, started)
        keep_report(report, path)
        forget(examination)
    return Examined(report, path, resumed)


def _report(place: _Place, exams: list[VideoExam], started: str) -> FramesReport:
    by_id = {video.id: video for video in place.videos}

    def confirm(first: VideoExam, second: VideoExam) -> bool:
        return same_pictures(place.source, by_id[first.id], by_id[second.id], (first, second))

    root = f"{encodable(str(place.frames))}/"
    exams = [replace(exam, where=exam.where.removeprefix(root)) for exam in with_outliers(exams, confirm)]
    return FramesReport(
        dataset=place.dataset, split=place.split, decoder=place.source.encoding, started=started, finished=_now(),
        fingerprint=fingerprint_of(exams), videos=tuple(exams),
    )  # fmt: skip


def same_pictures(source: ReaderSource, first: Video, second: Video, exams: tuple[VideoExam, VideoExam]) -> bool:
    """Whether frames that are spread over two videos are the same pictures; some are read again."""
    count = min(exam.stored for exam in exams)
    numbers = sorted({1 + (count - 1) * at // (COMPARED - 1) for at in range(COMPARED)})
    try:
        pairs = zip(source.pictures(first, numbers), source.pictures(second, numbers), strict=True)
        return all(
            not isinstance(one, FrameError) and not isinstance(two, FrameError) and are_copies(one, two)
            for (_, one), (_, two) in pairs
        )
    except FrameError:
        return False


def _place(request: DoctorRequest, manifest: Manifest, workspace: Workspace) -> _Place:
    """The videos of a request: those of a list, else all that are found.

    Raises:
        GsmBenchError: there is neither a data set nor a place, or nothing is there.
    """
    if request.dataset is None:
        if request.frames is None:
            raise GsmBenchError(
                "which frames are to be examined?",
                fix="--dataset NAME for those of a list, or --frames PATH for all in it",
            )
        if isinstance(request.frames, RemoteUrl):
            raise GsmBenchError(
                "the videos at a URL are found by their list",
                where=str(request.frames),
                fix="--dataset NAME beside --frames URL",
            )
        if not request.frames.exists():
            raise GsmBenchError("this path does not exist", where=request.frames, fix="--frames FILE or FOLDER")
        readers = {encodable(name): reader for name, reader in discover(request.frames, request.naming).items()}
        source = ReaderSource(DiscoveredReaders(readers), encoding=_encoding(readers))
        videos = [Video(name, 0, row) for row, name in enumerate(readers)]
        return _Place(request.frames.resolve().stem or "frames", source, videos, request.frames)
    entry = manifest.dataset(request.dataset)
    name, chosen = manifest.place(entry.name, entry.evaluation_split, None, request.split)
    data = request.data or workspace.data / entry.folder

    def read(columns: Sequence[str]) -> Split:
        return read_split(entry, chosen, data, columns)

    def open_frames(split: Split) -> FrameSource:
        return open_source(entry, data, split.sample(SAMPLED_VIDEOS), request.frames, request.prefer)

    split, opened = read_with_frames(read, open_frames, entry.tasks.get("action", 0))
    assert isinstance(opened, ReaderSource)
    videos = [split.video(row) for row in range(len(split))]
    return _Place(f"{name}-{chosen}", opened, videos, request.frames or data, name, chosen)


def _encoding(readers: dict[str, FrameReader]) -> str:
    return "; ".join(sorted({reader.encoding for reader in readers.values()} - {""}))


def _ids(place: _Place) -> str:
    lines = "\n".join(f"{video.id}\t{video.num_frames}\t{video.start}" for video in place.videos)
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]


def _rules() -> str:
    return f"rules {RULES}, gsm-bench {version('gsm-bench')}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from the same examination; the system releases the lock when this process ends."""
    with path.with_name(f".{path.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunConflictError(
                "another process is examining these frames", where=path, fix="wait for it: it writes this report"
            ) from error
        yield
