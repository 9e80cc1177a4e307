"""Writing a split to disk: JPEG folders and lists in the Something-V1 layout, resumable, never half a clip."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import RunConflictError, SplitError
from gsm_bench.files import write_whole
from gsm_bench.shapes.card import write_card
from gsm_bench.shapes.classes import ACTIONS, CLASSES, SHAPES
from gsm_bench.shapes.events import DrawnVideo, Event, Split, plan_clips
from gsm_bench.shapes.scenes import Frames, draw_event

VERSION = 1
"""Of the drawing: raised whenever the same seed gives other pixels."""

DEFAULT_SEEDS: dict[Split, int] = {"train": 1903, "val": 2020}
"""The seeds of the benchmark, fixed before the first network was trained."""

DEFAULT_CLIPS: dict[Split, int] = {"train": 2800, "val": 560}

FRAMES_FOLDER = "frames"
JPEG_QUALITY = 90

Progress = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""


@dataclass(frozen=True)
class Recipe:
    """What decides every byte of a split, given the JPEG encoder."""

    split: Split
    seed: int
    clips: int
    version: int = VERSION


@dataclass(frozen=True)
class MadeSplit:
    """A split on disk.

    Attributes:
        recipe: how it was made.
        list_path: rows ``<id> <frames> <class>``.
        frames_root: the folder of the clips' folders.
        written: clips drawn by this call; the others were there already.
        checksum: sha256 over the content, see `checksum`.
    """

    recipe: Recipe
    list_path: Path
    frames_root: Path
    written: int
    checksum: str


def make(
    directory: str | Path,
    split: Split,
    *,
    seed: int | None = None,
    clips: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> MadeSplit:
    """Make a split of Temporal Shapes in `directory`, or finish one that was interrupted.

    Args:
        directory: made where missing; both splits may live in it.
        split: ``train`` or ``val``.
        seed: the split's; the benchmark's own unless given.
        clips: how many, in twos of one event and its reversal; the benchmark's own number unless given.
        processes: how many draw at the same time; the bytes do not depend on it.
        progress: told (clips done, clips in all).

    Raises:
        RunConflictError: another recipe's split already lies there.
    """
    recipe = _recipe(split, seed, clips)
    root = Path(directory)
    frames_root = root / FRAMES_FOLDER
    frames_root.mkdir(parents=True, exist_ok=True)
    _claim(root, recipe)
    planned = plan_clips(split, recipe.seed, recipe.clips)
    missing = [clip for clip in planned if not (frames_root / clip.id).is_dir()]
    _draw(missing, frames_root, processes, progress, total=len(planned))
    _write_lists(root, split, planned)
    made = MadeSplit(recipe, list_path(root, split), frames_root, len(missing), checksum(root, split))
    finished = json.dumps(asdict(recipe) | {"checksum": made.checksum}, indent=1) + "\n"
    write_whole(_recipe_path(root, split), finished.encode())
    write_whole(root / "README.md", write_card(_made_recipes(root)).encode())
    return made


def list_path(directory: str | Path, split: Split) -> Path:
    """Where the list file of a split is."""
    return Path(directory) / f"{split}_videofolder.txt"


def read_list(directory: str | Path, split: Split) -> list[tuple[str, int, int]]:
    """(id, frames, class) of every clip of a made split, in list order."""
    path = list_path(directory, split)
    if not path.is_file():
        raise SplitError(
            f"the {split} split has not been made here",
            where=path,
            fix=f"gsmbench shapes make {directory} --split {split}",
        )
    rows = (line.split(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return [(clip, int(frames), int(label)) for clip, frames, label in rows]


def clips_path(directory: str | Path, split: Split) -> Path:
    """Where the table is that names verb, noun, group, pace and event of every clip."""
    return Path(directory) / f"{split}_clips.csv"


def read_nouns(directory: str | Path, split: Split) -> NDArray[np.int64]:
    """Shape ids int64 [N] of the clips of a made split, in list order."""
    with clips_path(directory, split).open(encoding="utf-8", newline="") as file:
        return np.array([SHAPES.index(row["noun"]) for row in csv.DictReader(file)], dtype=np.int64)


def checksum(directory: str | Path, split: Split) -> str:
    """sha256, hexadecimal, over the list file and the bytes of every frame in list order."""
    digest = hashlib.sha256(list_path(directory, split).read_bytes())
    for clip, frames, _ in read_list(directory, split):
        folder = Path(directory) / FRAMES_FOLDER / clip
        for number in range(1, frames + 1):
            digest.update((folder / frame_name(number)).read_bytes())
    return digest.hexdigest()


def frame_name(number: int) -> str:
    """File name of a frame, counted from 1."""
    return f"{number:05d}.jpg"


def _recipe(split: Split, seed: int | None, clips: int | None) -> Recipe:
    if split not in DEFAULT_SEEDS:
        raise SplitError(f"Temporal Shapes has no split {split!r}", fix="use train or val")
    seed = DEFAULT_SEEDS[split] if seed is None else seed
    clips = DEFAULT_CLIPS[split] if clips is None else clips
    if clips < 1 or seed < 0:
        raise SplitError(f"a split has at least one clip and a seed from 0 up, not {clips} clips of seed {seed}")
    return Recipe(split, seed, clips)


def _claim(root: Path, recipe: Recipe) -> None:
    """Say what is being made before the first clip, and refuse to mix two recipes."""
    path = _recipe_path(root, recipe.split)
    if not path.is_file():
        write_whole(path, (json.dumps(asdict(recipe), indent=1) + "\n").encode())
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    if {key: there.get(key) for key in asdict(recipe)} != asdict(recipe):
        raise RunConflictError(
            f"the {recipe.split} split there was made with {_said(there)}, not {_said(asdict(recipe))}",
            where=path,
            fix="make it in another directory, or remove this one first",
        )


def _said(recipe: dict[str, object]) -> str:
    return ", ".join(f"{key} {recipe.get(key)}" for key in ("seed", "clips", "version"))


def _recipe_path(root: Path, split: str) -> Path:
    return root / f"{split}_recipe.json"


def _made_recipes(root: Path) -> list[dict[str, object]]:
    paths = [_recipe_path(root, split) for split in DEFAULT_SEEDS]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _draw(
    missing: Sequence[DrawnVideo], frames_root: Path, processes: int, progress: Progress | None, *, total: int
) -> None:
    jobs = [(event, tuple(clips)) for event, clips in groupby(missing, key=lambda clip: clip.event)]
    done = total - len(missing)
    if progress:
        progress(done, total)
    for written in _each(partial(_write_event, frames_root), jobs, processes):
        done += written
        if progress:
            progress(done, total)


Job = tuple[Event, tuple[DrawnVideo, ...]]


def _each(write: Callable[[Job], int], jobs: Iterable[Job], processes: int) -> Iterator[int]:
    if processes <= 1:
        yield from map(write, jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, jobs, chunksize=4)


def _write_event(frames_root: Path, job: Job) -> int:
    event, clips = job
    encoded = [_encode(frame) for frame in draw_event(event)]
    for clip in clips:
        _write_clip(frames_root / clip.id, encoded[::-1] if clip.backward else encoded)
    return len(clips)


def _encode(frame: Frames) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _write_clip(folder: Path, encoded: Sequence[bytes]) -> None:
    """Write a clip's frames aside and rename the folder: a folder under its own name is whole."""
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for number, data in enumerate(encoded, start=1):
        (aside / frame_name(number)).write_bytes(data)
    aside.replace(folder)


def _write_lists(root: Path, split: Split, clips: Sequence[DrawnVideo]) -> None:
    write_whole(root / "category.txt", "".join(f"{name}\n" for name in CLASSES).encode())
    write_whole(root / "nouns.txt", "".join(f"{name}\n" for name in SHAPES).encode())
    write_whole(root / "actions.txt", "".join(f"{verb},{noun}\n" for verb, noun in ACTIONS).encode())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("id", "frames", "class", "verb", "noun", "group", "pace", "event", "seed"))
    for clip in clips:
        event = clip.event
        row = (
            clip.id,
            event.frames,
            clip.label,
            clip.verb,
            event.shape,
            event.group,
            event.pace,
            event.index,
            event.seed,
        )
        writer.writerow(row)
    write_whole(clips_path(root, split), table.getvalue().encode())
    write_whole(list_path(root, split), "".join(f"{c.id} {c.event.frames} {c.label}\n" for c in clips).encode())
