"""From a data set's entry and a directory to the source of its frames, recognised from what lies there."""

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
"""Names of what a file holds that a message shows."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
FRAME_FILES = (*HDF5, *ARCHIVES)
"""Files that may hold the frames of a whole data set."""
READABLE = "frames may be folders of pictures, video files, HDF5 files of encoded pictures, tar or zip files"


def open_source(entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Path | None = None) -> FrameSource:
    """Find the frames of a data set.

    Args:
        entry: whose `frame_roots` and patterns say where frames lie below `data`.
        data: its directory.
        sample: some clips to look for, at least one, spread over the split: any of them may be missing.
        frames: a file or folder that holds the frames instead.

    Raises:
        SplitError: no frames are there, none of the clips in the one place that is to hold them, or they are called
            otherwise than the entry says.
        FrameError: one file is to hold all frames, and it is damaged.
    """
    source = _find_source(entry, data, sample, frames)
    check_names(entry, source, sample)
    return source


def _find_source(entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Path | None) -> ReaderSource:
    if frames is not None:
        return _open_place(entry, _existing(frames), sample)
    for root in entry.frame_roots:
        if any(PlacedReaders(entry, data / root).find(clip) for clip in sample):
            return _source_below(entry, data / root, sample)
        if root != "." and (file := _file_beside(data / root)):
            return _open_file(entry, file, sample)
    for root in entry.frame_roots:  # all of the sample may be missing
        if root != "." and (data / root).is_dir():
            return _source_below(entry, data / root, sample)
    name = frame_folder(entry.frame_pattern, sample[0])
    raise SplitError(
        f"no frames of {entry.name} here: nothing called {name!r} in {', '.join(entry.frame_roots)}",
        where=data,
        fix=f"{READABLE}, called {entry.frame_pattern.rpartition('/')[0]} below one of these folders; "
        "--frames PATH, or frame_roots and frame_pattern of the data set's entry, say where",
    )


def frame_folder(pattern: str, clip: Video) -> str:
    """Where the frames of `clip` lie below a root, as a folder or as a file with a suffix."""
    folder = pattern.rpartition("/")[0]
    return folder.format(id=clip.id, video=clip.container, participant=clip.participant)


class PlacedReaders:
    """Reels that lie below one folder, each in a folder or file named by a pattern of the data set.

    Whatever held the last reader is looked for first; a clip's frames may lie in any of the forms.
    """

    def __init__(self, entry: DatasetEntry, root: Path) -> None:
        self.root = root
        self._patterns = entry.frame_patterns
        suffixes = ("", *VIDEOS, *FRAME_FILES, *(suffix.upper() for suffix in VIDEOS))
        self._forms = [(pattern, suffix) for pattern in self._patterns for suffix in suffixes]
        self._first = entry.first_frame
        self._last = self._forms[0]

    def __call__(self, clip: Video) -> FrameReader:
        reader = self.find(clip)
        if reader is None:
            folder = self.root / frame_folder(self._patterns[0], clip)
            said = f"clip {clip.id!r} has no frames: no folder, video or archive of that name"
            raise FrameError(said, where=folder)
        return reader

    def find(self, clip: Video) -> FrameReader | None:
        """The reader of the clip's video, if there is one."""
        for form in (self._last, *self._forms):
            pattern, suffix = form
            folder = self.root / frame_folder(pattern, clip)
            place = folder.with_name(folder.name + suffix) if suffix else folder
            # A list may name a video with its suffix.
            named_whole = not suffix and place.suffix.lower() in VIDEOS and _is(place, folder=False)
            if named_whole or _is(place, folder=not suffix):
                self._last = form
                return reader_at(place, clip.container, FrameNames.of_pattern(pattern, clip, self._first))
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


class ReelsInFile:
    """Reels that lie together in one HDF5 file or archive."""

    def __init__(self, entry: DatasetEntry, path: Path) -> None:
        self.path = path
        self._pattern, self._first = entry.frame_pattern, entry.first_frame
        self._archive = Archive(path) if path.suffix.lower() in ARCHIVES else None
        self.encoding = "" if self._archive else stored_encoding(path)
        self._without_suffix = False

    def check(self, sample: Sequence[Video]) -> None:
        """Look for a few clips.

        Raises:
            FrameError: the file is damaged as a whole.
            SplitError: it holds none of them.
        """
        if self._archive:
            archive, held = self._archive, [folder or "(no folder)" for folder in self._archive.folders()]
            found = self._look(sample, lambda name: bool(archive.folders_called(name)))
            form = "pictures in a folder per clip, wherever in the archive"
        else:
            with open_frames(self.path) as file:
                held = [f"{name}/.." if isinstance(file[name], h5py.Group) else name for name in islice(file, SHOWN)]
                found = self._look(sample, file.__contains__)
            form = "one variable-length row of bytes per frame, in a dataset per clip"
        if not found:
            names = ", ".join(held[:SHOWN]) or "nothing"
            raise SplitError(
                f"none of {len(sample)} clips that were looked for is in this file, such as {sample[0].container!r}; "
                f"it holds {names}{', ..' if len(held) >= SHOWN else ''}",
                where=self.path,
                fix=f"give the file of this split, with {form}, under the clip's name",
            )

    def _look(self, sample: Sequence[Video], holds: Callable[[str], bool]) -> bool:
        """Whether any clip is there under its name, or else under its name without a video's suffix."""
        if any(holds(clip.container) for clip in sample):
            return True
        self._without_suffix = any(holds(_bare(clip.container)) for clip in sample)
        return self._without_suffix

    def __call__(self, clip: Video) -> FrameReader:
        name = _bare(clip.container) if self._without_suffix else clip.container
        if self._archive:
            return ArchiveReader(self._archive, name, FrameNames.of_pattern(self._pattern, clip, self._first))
        return Hdf5Reader(self.path, name)


def _bare(name: str) -> str:
    """A video's name without its suffix, which some lists give and others do not."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in VIDEOS else name


def _open_place(entry: DatasetEntry, place: Path, sample: Sequence[Video]) -> ReaderSource:
    if not place.is_dir():
        return _open_file(entry, place, sample)
    if not any(PlacedReaders(entry, place).find(clip) for clip in sample):
        name = frame_folder(entry.frame_pattern, sample[0])
        raise SplitError(
            f"none of {len(sample)} clips that were looked for is in this folder: nothing called {name!r} or the like",
            where=place,
            fix=f"give the folder that holds {name!r}: {READABLE}",
        )
    return _source_below(entry, place, sample)


def _source_below(entry: DatasetEntry, root: Path, sample: Sequence[Video]) -> ReaderSource:
    readers = PlacedReaders(entry, root)
    found = {reader.encoding for clip in sample if (reader := readers.find(clip))}
    return ReaderSource(readers, "; ".join(sorted(found - {""})))


def _open_file(entry: DatasetEntry, path: Path, sample: Sequence[Video]) -> ReaderSource:
    if path.suffix.lower() not in FRAME_FILES:
        raise SplitError(f"this file cannot hold the frames of a data set: {READABLE}", where=path, fix=_unpack(path))
    try:
        readers = ReelsInFile(entry, path)
        readers.check(sample)
    except FrameError as error:
        raise FrameError(error.what, where=error.where, fix="copy it again") from error
    return ReaderSource(readers, readers.encoding)


def _unpack(path: Path) -> str:
    if path.suffix.lower() in COMPRESSED:
        return f"decompress it once (frames inside are compressed already): gunzip {path.name}, or the like"
    return "give the folder that holds the videos, or one .h5, .tar or .zip file"


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SplitError("there are no frames at this place", where=path, fix="--frames FILE or FOLDER")
    return path


def _file_beside(root: Path) -> Path | None:
    """A file that is called as the folder would be."""
    return next((place for place in _with_suffixes(root) if _is(place, folder=False)), None)


def _with_suffixes(root: Path) -> Iterator[Path]:
    return (root.with_name(root.name + suffix) for suffix in FRAME_FILES)


def _is(place: Path, *, folder: bool) -> bool:
    try:
        return place.is_dir() if folder else place.is_file()
    except (OSError, ValueError):  # a name that nothing can have
        return False
