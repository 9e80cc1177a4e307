"""Open the frames of a data set: recognise their form from the files in its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import h5py

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources.archive import Archive, ArchiveReader
from gsm_bench.frames.sources.forms import ARCHIVES, FRAME_FILES, READABLE, without_suffix
from gsm_bench.frames.sources.hdf5 import Hdf5Reader, name_in, open_frames, stored_encoding
from gsm_bench.frames.sources.name_check import check_names
from gsm_bench.frames.sources.names import FrameNames
from gsm_bench.frames.sources.placed import PlacedReaders, frame_folder, is_file
from gsm_bench.frames.sources.readers import FrameReader, FrameSource, ReaderSource
from gsm_bench.settings import Prefer
from gsm_bench.splits import Video

SHOWN = 3
"""Number of names in a message."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def open_source(
    entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Path | None = None, prefer: Prefer = "folder"
) -> FrameSource:
    """Find the frames of a data set.

    Args:
        entry: its `frame_roots` and patterns give the place of frames below `data`.
        data: directory of the data set.
        sample: some videos to look for, at least one, spread over the split; any of them may be missing.
        frames: a file or folder that holds the frames instead.
        prefer: what is read if a video has a folder of pictures and a file.

    Raises:
        SplitError: there are no frames, none of the sample, or files are not named as the entry says.
        FrameError: the one file of all frames is damaged.
    """
    source = _open_place(entry, frames, sample, prefer) if frames else _find_source(entry, data, sample, prefer)
    check_names(entry, source, sample)
    return source


def _find_source(entry: DatasetEntry, data: Path, sample: Sequence[Video], prefer: Prefer) -> ReaderSource:
    for root in entry.frame_roots:
        readers = PlacedReaders(entry, data / root, prefer)
        if any(readers.find(video) for video in sample):
            return _source_of(readers, sample)
        if root != "." and (file := _file_beside(data / root)):
            return _open_file(entry, file, sample)
    folders = [data / root for root in entry.frame_roots if root != "." and (data / root).is_dir()]
    if folders:
        raise _none_of(entry, folders[0], sample)
    name = frame_folder(entry.frame_pattern, sample[0])
    raise SplitError(
        f"no frames of {entry.name} here: no {name!r} in {', '.join(entry.frame_roots)}",
        where=data,
        fix=f"{READABLE}, named {entry.frame_pattern.rpartition('/')[0]} in one of these folders; "
        "give another place with --frames PATH, or with frame_roots and frame_pattern of the data set's entry",
    )


def _open_place(entry: DatasetEntry, place: Path, sample: Sequence[Video], prefer: Prefer) -> ReaderSource:
    if not place.exists():
        raise SplitError("this path does not exist", where=place, fix="--frames FILE or FOLDER")
    if not place.is_dir():
        return _open_file(entry, place, sample)
    readers = PlacedReaders(entry, place, prefer)
    if not any(readers.find(video) for video in sample):
        raise _none_of(entry, place, sample)
    return _source_of(readers, sample)


def _none_of(entry: DatasetEntry, folder: Path, sample: Sequence[Video]) -> SplitError:
    """No video of the sample is in a folder: the list, or the folder, is another one than expected."""
    name = frame_folder(entry.frame_pattern, sample[0])
    names: list[str] = []
    with suppress(OSError):
        names = sorted(path.name for path in islice(folder.iterdir(), 1000))
    shown = ", ".join(map(repr, names[:SHOWN])) or "nothing"
    return SplitError(
        f"none of {len(sample)} videos is in this folder: no {name!r}, with or without a suffix; "
        f"it holds {shown}{', ..' if len(names) > SHOWN else ''}",
        where=folder,
        fix=f"check the column of the list that holds the names, or give the folder that holds {name!r}: {READABLE}",
    )


def _source_of(readers: PlacedReaders, sample: Sequence[Video]) -> ReaderSource:
    encodings = {reader.encoding for video in sample if (reader := readers.find(video))}
    several = _several_forms(readers, sample)
    chosen = ["files are read before folders"] if several and readers.prefer == "file" else []
    return ReaderSource(readers, "; ".join([*sorted(encodings - {""}), *chosen]), several)


def _several_forms(readers: PlacedReaders, sample: Sequence[Video]) -> str:
    """A note on videos of the sample that exist in several forms, such as a folder beside its video file."""
    several = [(video, forms) for video in sample if len(forms := readers.forms(video)) > 1]
    if not several:
        return ""
    video, forms = several[0]
    used, *others = (f"{Path(form.where.partition(',')[0]).name} ({_counted(form)})" for form in forms)
    return (
        f"{len(several):,} of {len(sample):,} sampled videos {'has' if len(several) == 1 else 'have'} several forms, "
        f"such as {video.id!r}: "
        f"{used} is read, not {', '.join(others)} (choose with --prefer folder or --prefer file)"
    )


def _counted(reader: FrameReader) -> str:
    try:
        return f"{reader.count():,} frames"
    except FrameError:
        return "unreadable"


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
            with open_frames(self.path) as content:
                file = content.file
                names = [f"{name}/.." if isinstance(file[name], h5py.Group) else name for name in islice(file, SHOWN)]
                present = self._look(sample, lambda name: name_in(file, name) is not None)
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
        self._without_suffix = any(holds(without_suffix(video.container)) for video in sample)
        return self._without_suffix

    def __call__(self, video: Video) -> FrameReader:
        name = without_suffix(video.container) if self._without_suffix else video.container
        if self._archive:
            return ArchiveReader(self._archive, name, FrameNames.of_pattern(self._pattern, video, self._first))
        return Hdf5Reader(self.path, name)


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


def _file_beside(root: Path) -> Path | None:
    """A file with the name of the folder and a suffix."""
    return next((place for place in _with_suffixes(root) if is_file(place)), None)


def _with_suffixes(root: Path) -> Iterator[Path]:
    return (root.with_name(root.name + suffix) for suffix in FRAME_FILES)
