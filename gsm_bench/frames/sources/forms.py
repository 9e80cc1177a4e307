"""Which files may hold the frames of a video or of a data set, by suffix."""

from __future__ import annotations

VIDEOS = (
    ".webm", ".mp4", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".mpe", ".m2v", ".ts", ".m2ts", ".mts", ".flv", ".f4v",
    ".wmv", ".asf", ".3gp", ".3g2", ".ogv", ".ogg", ".gif", ".vob", ".divx", ".qt", ".mxf", ".y4m", ".rm", ".rmvb", ".amv",
    ".dv",
)  # fmt: skip
"""Suffixes of video files, in lower case; upper case is read, too."""
ARCHIVES = (".tar", ".zip")
HDF5 = (".h5", ".hdf5")
FRAME_FILES = (*HDF5, *ARCHIVES)
"""Files that may hold the frames of a video, or of a whole data set."""
LMDB = (".lmdb", ".mdb")
READABLE = (
    "frames may be folders of pictures, video files, HDF5 files of encoded pictures, tar or zip files, LMDB databases "
    "or GulpIO chunks"
)


def without_suffix(name: str) -> str:
    """A video's name without its suffix; some lists name videos with it."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in VIDEOS else name
