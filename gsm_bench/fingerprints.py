"""Fingerprints of the frames that scores were made from, so that a change of frames does not pass unseen.

A fingerprint does not depend on place, form, names or times: frames that were moved, copied or packed keep theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FINGERPRINT_TYPE = np.dtype([("frames", "<i8"), ("content", "<u8"), ("sizes", "<u8")])
SIZES_COMPARED = 8
"""Frames of a video whose sizes in bytes enter a fingerprint, spread evenly."""


class Fingerprint(NamedTuple):
    """What was read of one video; 0 where it is not known.

    Attributes:
        frames: stored frames of the video, whatever a list says; 0 for a segment of a longer file.
        content: hash of the number of stored frames and the bytes of the first, middle and last one; of a video file,
            of its length and the bytes at its begin, middle and end.
        sizes: hash of the sizes of some frames in bytes, where the form of the frames tells them.
    """

    frames: int = 0
    content: int = 0
    sizes: int = 0


UNKNOWN = Fingerprint()


def unknown_fingerprints(videos: int) -> NDArray[np.void]:
    """Fingerprints [N] of videos of which nothing is known."""
    return np.zeros(videos, FINGERPRINT_TYPE)


def fingerprint_array(fingerprints: Sequence[Fingerprint]) -> NDArray[np.void]:
    """Fingerprints [n] as a structured array."""
    return np.array([tuple(each) for each in fingerprints], FINGERPRINT_TYPE)


def hash_of(number: int, contents: Iterable[bytes]) -> int:
    """A hash of 64 bits of a number and some bytes; never 0."""
    digest = hashlib.blake2b(b"%d" % number, digest_size=8)
    for content in contents:
        digest.update(b"/%d/" % len(content))
        digest.update(content)
    return int.from_bytes(digest.digest(), "little") or 1


def array_digest(values: NDArray[np.generic]) -> str:
    """16 hexadecimal digits of the sha256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def content_differs(first: NDArray[np.void], second: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether videos were read from other frames, bool [n]; False where either side is unknown."""
    content = (first["content"] != second["content"]) & (first["content"] != 0) & (second["content"] != 0)
    sizes = (first["sizes"] != second["sizes"]) & (first["sizes"] != 0) & (second["sizes"] != 0)
    return np.asarray(content | sizes)
