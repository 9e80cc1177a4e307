"""Open the frames of a data set: recognise their form from the files in its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import h5py

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.hdf5 import Hdf5Reader, open_frames, stored_encoding
from gsm_bench.frames.sources.name_check import check_names
from gsm_bench.frames.sources.names import FrameNames
from gsm_bench.frames.sources.readers import FrameReader, FrameSource, ReaderSource
from gsm_bench.splits import Video

VIDEOS = (".webm", ".mp4", ".avi", ".mkv", ".mov", ".m4v", ".mpg")
ARCHIVES = (".tar", ".zip")
HDF5 = (".h5", ".hdf5")
SHOWN = 3
"""Number of names in a message."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
FRAME_FILES = (*HDF5, *ARCHIVES)
"""Files that may hold the frames of a whole data set."""
READABLE = "frames may be folders of pictures, video files, HDF5 files of encoded pictures, tar or zip files"


def open_source(entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Path | None = None) -> FrameSource:
    """Find the frames of a data set.

    Args:
        entry: its `frame_roots` and patterns give the place of frames below `data`.
        data: directory of the data set.
        sample: some videos to look for, at least one, spread over the split; any of them may be missing.
        frames: a file or folder that holds the frames instead.

    Raises:
        SplitError: there are no frames, none of the sample, or files are not named as the entry says.
        FrameError: the one file of all frames is damaged.
    """
    source = _find_source(entry, data, sample, frames)
    check_names(entry, source, sample)
    return source


def _find_source(entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Path | None) -> ReaderSource:
    if frames is not None:
        return _open_place(entry, _existing(frames), sample)
    for root in entry.frame_roots:
        if any(PlacedReaders(entry, data / root).find(video) for video in sample):
            return _source_below(entry, data / root, sample)
        if root != "." and (file := _file_beside(data / root)):
            return _open_file(entry, file, sample)
    for root in entry.frame_roots:  # all of the sample may be missing
        if root != "." and (data / root).is_dir():
            return _source_below(entry, data / root, sample)
    name = frame_folder(entry.frame_pattern, sample[0])
    raise SplitError(
        f"no frames of {entry.name} here: no {name!r} in {', '.join(entry.frame_roots)}",
        where=data,
        fix=f"{READABLE}, named {entry.frame_pattern.rpartition('/')[0]} in one of these folders; "
        "give another place with --frames PATH, or with frame_roots and frame_pattern of the data set's entry",
    )


def frame_folder(pattern: str, video: Video) -> str:
    """Path of the frames of `video` below a root: a folder, or a file without its suffix."""
    folder = pattern.rpartition("/")[0]
    return folder.format(id=video.id, video=video.container, participant=video.participant)


class PlacedReaders:
    """Readers of the videos below one folder, each in a folder or file named by a pattern of the data set.

    The form of the last video is tried first; the frames of a video may have any of the forms.
    """

    def __init__(self, entry: DatasetEntry, root: Path) -> None:
        self.root = root
        self._patterns = entry.frame_patterns
        suffixes = ("", *VIDEOS, *FRAME_FILES, *(suffix.upper() for suffix in VIDEOS))
        self._forms = [(pattern, suffix) for pattern in self._patterns for suffix in suffixes]
        self._first = entry.first_frame
        self._last = self._forms[0]

    def __call__(self, video: Video) -> FrameReader:
        reader = self.find(video)
        if reader is None:
            folder = self.root / frame_folder(self._patterns[0], video)
            what = f"video {video.id!r} has no frames: no folder, video file or archive of that name"
            raise FrameError(what, where=folder)
        return reader

    def find(self, video: Video) -> FrameReader | None:
        """The reader of `video`, if there is one."""
        for form in (self._last, *self._forms):
            pattern, suffix = form
            folder = self.root / frame_folder(pattern, video)
            place = folder.with_name(folder.name + suffix) if suffix else folder
            # A list may name a video with its suffix.
            has_suffix = not suffix and place.suffix.lower() in VIDEOS and _is(place, folder=False)
            if has_suffix or _is(place, folder=not suffix):
                self._last = form
                return reader_at(place, video.container, FrameNames.of_pattern(pattern, video, self._first))
        return None


def reader_at(place: Path, name: str, names: FrameNames | None) -> FrameReader:
    """The reader of one video in a folder or file of its own."""
    suffix = place.suffix.lower()
    if suffix in HDF5 and place.is_file():
        return Hdf5Reader(place, name, alone=True)
    if suffix in ARCHIVES and place.is_file():
        return ArchiveReader(Archive(place), name, names, alone=True)
    if suffix in VIDEOS and place.is_file():
        from gsm_bench.frames.sources.video import VideoReader

        return VideoReader(place)
    return FolderReader(place, names or FrameNames("", 1, ".jpg"))


class ReadersInFile:
    """Readers of the videos in one HDF5 file or archive."""

    def __init__(self, entry: DatasetEntry, path: Path) -> None:
        self.path = path
        self._pattern, self._first = entry.frame_pattern, entry.first_frame
        self._archive = Archive(path) if path.suffix.lower() in ARCHIVES else None
        self.encoding = "" if self._archive else stored_encoding(path)
        self._without_suffix = False

    def check(self, sample: Sequence[Video]) -> None:
        """Look for the videos of a sample.

        Raises:
            FrameError: the file is damaged as a whole.
            SplitError: it holds none of them.
        """
        if self._archive:
            archive, names = self._archive, [folder or "(no folder)" for folder in self._archive.folders()]
            present = self._look(sample, lambda name: bool(archive.folders_called(name)))
            form = "pictures in a folder per video, anywhere in the archive"
        else:
            with open_frames(self.path) as file:
                names = [f"{name}/.." if isinstance(file[name], h5py.Group) else name for name in islice(file, SHOWN)]
                present = self._look(sample, file.__contains__)
            form = "one variable-length row of bytes per frame, in a dataset per video"
        if not present:
            shown = ", ".join(names[:SHOWN]) or "nothing"
            raise SplitError(
                f"none of {len(sample)} videos is in this file, such as {sample[0].container!r}; "
                f"it holds {shown}{', ..' if len(names) >= SHOWN else ''}",
                where=self.path,
                fix=f"give the file of this split, with {form}, under the video's name",
            )

    def _look(self, sample: Sequence[Video], holds: Callable[[str], bool]) -> bool:
        """Whether any video is present under its name, or else under its name without a suffix."""
        if any(holds(video.container) for video in sample):
            return True
        self._without_suffix = any(holds(_bare(video.container)) for video in sample)
        return self._without_suffix

    def __call__(self, video: Video) -> FrameReader:
        name = _bare(video.container) if self._without_suffix else video.container
        if self._archive:
            return ArchiveReader(self._archive, name, FrameNames.of_pattern(self._pattern, video, self._first))
        return Hdf5Reader(self.path, name)


def _bare(name: str) -> str:
    """A video's name without its suffix; some lists name videos with it."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in VIDEOS else name


def _open_place(entry: DatasetEntry, place: Path, sample: Sequence[Video]) -> ReaderSource:
    if not place.is_dir():
        return _open_file(entry, place, sample)
    if not any(PlacedReaders(entry, place).find(video) for video in sample):
        name = frame_folder(entry.frame_pattern, sample[0])
        raise SplitError(
            f"none of {len(sample)} videos is in this folder: no {name!r}, with or without a suffix",
            where=place,
            fix=f"give the folder that holds {name!r}: {READABLE}",
        )
    return _source_below(entry, place, sample)


def _source_below(entry: DatasetEntry, root: Path, sample: Sequence[Video]) -> ReaderSource:
    readers = PlacedReaders(entry, root)
    encodings = {reader.encoding for video in sample if (reader := readers.find(video))}
    return ReaderSource(readers, "; ".join(sorted(encodings - {""})))


def _open_file(entry: DatasetEntry, path: Path, sample: Sequence[Video]) -> ReaderSource:
    if path.suffix.lower() not in FRAME_FILES:
        raise SplitError(f"this file cannot hold the frames of a data set: {READABLE}", where=path, fix=_unpack(path))
    try:
        readers = ReadersInFile(entry, path)
        readers.check(sample)
    except FrameError as error:
        raise FrameError(error.what, where=error.where, fix="copy it again") from error
    return ReaderSource(readers, readers.encoding)


def _unpack(path: Path) -> str:
    if path.suffix.lower() in COMPRESSED:
        return f"decompress it once (its frames are compressed already), for example: gunzip {path.name}"
    return "give the folder that holds the videos, or one .h5, .tar or .zip file"


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SplitError("this path does not exist", where=path, fix="--frames FILE or FOLDER")
    return path


def _file_beside(root: Path) -> Path | None:
    """A file with the name of the folder and a suffix."""
    return next((place for place in _with_suffixes(root) if _is(place, folder=False)), None)


def _with_suffixes(root: Path) -> Iterator[Path]:
    return (root.with_name(root.name + suffix) for suffix in FRAME_FILES)


def _is(place: Path, *, folder: bool) -> bool:
    try:
        return place.is_dir() if folder else place.is_file()
    except (OSError, ValueError):  # no file can have this name
        return False
