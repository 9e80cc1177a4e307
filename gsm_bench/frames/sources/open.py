"""Open the frames of a data set: recognise their form from the files in its directory."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources.forms import FRAME_FILES, HDF5, LMDB, READABLE, VIDEOS, without_suffix
from gsm_bench.frames.sources.gulp import META
from gsm_bench.frames.sources.lmdb import DATA
from gsm_bench.frames.sources.name_check import check_names
from gsm_bench.frames.sources.names import FrameNames
from gsm_bench.frames.sources.placed import PlacedReaders, frame_folder, is_file, names_in
from gsm_bench.frames.sources.readers import FrameReader, FrameSource, ReaderSource
from gsm_bench.frames.sources.stores import SHOWN, VideoStore, is_store, store_at
from gsm_bench.places import Place, RemoteUrl
from gsm_bench.settings import Prefer
from gsm_bench.splits import Video

VIDEOS_AHEAD = 32
"""Videos at a URL that are fetched before they are read: a second of latency then costs a video's time, not each one's."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def open_source(
    entry: DatasetEntry, data: Path, sample: Sequence[Video], frames: Place | None = None, prefer: Prefer = "folder"
) -> FrameSource:
    """Find the frames of a data set.

    Args:
        entry: its `frame_roots` and patterns give the place of frames below `data`.
        data: directory of the data set.
        sample: some videos to look for, at least one, spread over the split; any of them may be missing.
        frames: a file, folder or URL that holds the frames instead.
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
        if root != "." and (source := _stored(entry, data / root, sample)):
            return source
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


def _open_place(entry: DatasetEntry, place: Place, sample: Sequence[Video], prefer: Prefer) -> ReaderSource:
    if isinstance(place, Path) and not place.exists():
        raise SplitError("this path does not exist", where=place, fix="--frames FILE or FOLDER")
    if source := _open_store(entry, place, sample):
        return source
    if isinstance(place, RemoteUrl):
        _check_folder(place)
    elif not place.is_dir():
        raise SplitError(f"this file cannot hold the frames of a data set: {READABLE}", where=place, fix=_unpack(place))
    readers = PlacedReaders(entry, place, prefer)
    if not any(readers.find(video) for video in sample):
        raise _none_of(entry, place, sample)
    return _source_of(readers, sample)


def _check_folder(url: RemoteUrl) -> None:
    """Raise SplitError if no folder can be listed at a URL, or if it is a file or folder that is not read from there."""
    suffix = url.suffix.lower()
    if suffix in (*HDF5, *LMDB, *VIDEOS, *COMPRESSED):
        raise _copy_first(f"a {suffix} file with the frames of a data set is", url, folder=False)
    names = names_in(url)
    if not names:
        raise SplitError(
            "this URL does not exist, is empty, or its server does not list folders", where=str(url),
            fix="check it, or give one .zip or .tar file: servers need not list it",
        )  # fmt: skip
    if any(name.endswith(META) for name in names):
        raise _copy_first("GulpIO chunks are", url, folder=True)
    if DATA in names:
        raise _copy_first("an LMDB database is", url, folder=True)


def _copy_first(what: str, url: RemoteUrl, *, folder: bool) -> SplitError:
    """What is read on this machine alone, with the command that copies it there."""
    quoted, protocol = shlex.quote(str(url)), url.protocol
    commands = {
        "s3": f"aws s3 cp {'--recursive ' * folder}{quoted} {shlex.quote(url.name) if folder else '.'}",
        "gs": f"gcloud storage cp {'--recursive ' * folder}{quoted} .",
        "http": f"wget {'--recursive --no-parent --no-host-directories ' * folder}{quoted}{'/' * folder}",
    }
    command = commands.get("http" if protocol == "https" else protocol, "")
    copy = f"copy it to this machine: {command}" if command else "copy it to this machine"
    fix = f"{copy}; then --frames PATH" + ("" if folder else "; or give a .zip or .tar file at a URL")
    return SplitError(f"{what} not read at a URL", where=str(url), fix=fix)


def _none_of(entry: DatasetEntry, folder: Place, sample: Sequence[Video]) -> SplitError:
    """No video of the sample is in a folder: the list, or the folder, is another one than expected."""
    name = frame_folder(entry.frame_pattern, sample[0])
    names: list[str] = []
    with suppress(OSError):
        names = names_in(folder)
    shown = ", ".join(map(repr, names[:SHOWN])) or "nothing"
    return SplitError(
        f"none of {len(sample)} videos is in this folder: no {name!r}, with or without a suffix; "
        f"it holds {shown}{', ..' if len(names) > SHOWN else ''}",
        where=str(folder),
        fix=f"check the column of the list that holds the names, or give the folder that holds {name!r}: {READABLE}",
    )


def _source_of(readers: PlacedReaders, sample: Sequence[Video]) -> ReaderSource:
    remote = isinstance(readers.root, RemoteUrl)
    asked = sample[:SHOWN] if remote else sample  # of a file at a URL, the encoding is known when it was copied
    encodings = {reader.encoding for video in asked if (reader := readers.find(video))}
    several = _several_forms(readers, sample)
    chosen = ["files are read before folders"] if several and readers.prefer == "file" else []
    encoding = "; ".join([*sorted(encodings - {""}), *chosen])
    return ReaderSource(readers, encoding, several, VIDEOS_AHEAD if remote else 0)


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


class ReadersInStore:
    """Readers of the videos in one store, by their names with or without a suffix."""

    def __init__(self, entry: DatasetEntry, store: VideoStore) -> None:
        self.store = store
        self._pattern, self._first = entry.frame_pattern, entry.first_frame
        self._without_suffix = False

    def check(self, sample: Sequence[Video]) -> None:
        """Look for the videos of a sample.

        Raises:
            FrameError: the store is damaged as a whole.
            SplitError: it holds none of them.
        """
        names = self.store.names()
        present = self.store.holds_any(video.container for video in sample)
        if not present:
            present = self._without_suffix = self.store.holds_any(without_suffix(video.container) for video in sample)
        if not present:
            shown = ", ".join(names[:SHOWN]) or "nothing"
            raise SplitError(
                f"none of {len(sample)} videos is in this file, such as {sample[0].container!r}; "
                f"it holds {shown}{', ..' if len(names) >= SHOWN else ''}",
                where=str(self.store.path),
                fix=f"give the file of this split, with {self.store.form}, under the video's name",
            )

    def __call__(self, video: Video) -> FrameReader:
        name = without_suffix(video.container) if self._without_suffix else video.container
        return self.store.reader(name, FrameNames.of_pattern(self._pattern, video, self._first))


def _open_store(entry: DatasetEntry, place: Place, sample: Sequence[Video]) -> ReaderSource | None:
    """The frames in a file or folder that holds many videos; None if it is none."""
    try:
        store = store_at(place)
        if store is None:
            return None
        readers = ReadersInStore(entry, store)
        readers.check(sample)
    except FrameError as error:
        remote = isinstance(place, RemoteUrl)
        fix = error.fix or ("check the URL, or copy it to this machine" if remote else "copy it again")
        raise FrameError(error.what, where=error.where, fix=fix) from error
    return ReaderSource(readers, store.encoding, videos_ahead=VIDEOS_AHEAD if isinstance(place, RemoteUrl) else 0)


def _unpack(path: Path) -> str:
    if path.suffix.lower() in COMPRESSED:
        return f"decompress it once (its frames are compressed already), for example: gunzip {path.name}"
    return "give the folder that holds the videos, or one .h5, .tar, .zip or .lmdb file; of GulpIO chunks their folder"


def _stored(entry: DatasetEntry, root: Path, sample: Sequence[Video]) -> ReaderSource | None:
    """The frames in a store with the name of a folder, with a suffix or without."""
    places = (root, *(root.with_name(root.name + suffix) for suffix in (*FRAME_FILES, *LMDB)))
    place = next((place for place in places if is_file(place) or is_store(place)), None)
    return _open_store(entry, place, sample) if place else None
