"""Write a split to disk as JPEG folders and lists in the Something-V1 layout; resumable, and each video complete."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import RunConflictError, SplitError
from gsm_bench.files import aside, full_disk_named, locked, sweep_folder, write_whole
from gsm_bench.processes import process_pool
from gsm_bench.shapes.card import write_card
from gsm_bench.shapes.classes import ACTIONS, CLASSES, SHAPES
from gsm_bench.shapes.events import DrawnVideo, Event, Split, plan_videos
from gsm_bench.shapes.scenes import Frames, draw_event
from gsm_bench.workspace import pasteable

VERSION = 1
"""Version of the drawing: raised whenever the same seed gives other pixels."""

DEFAULT_SEEDS: dict[Split, int] = {"train": 1903, "val": 2020}
"""Seeds of the benchmark, fixed before the first network was trained."""

DEFAULT_VIDEOS: dict[Split, int] = {"train": 2800, "val": 560}

FRAMES_FOLDER = "frames"
JPEG_QUALITY = 90

Progress = Callable[[int, int], None]
"""Called with (videos done, videos in total)."""


RECIPE_KEYS: dict[str, type] = {"split": str, "seed": int, "videos": int, "version": int}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the bytes of a split, given the JPEG encoder."""

    split: Split
    seed: int
    videos: int
    version: int = VERSION


@dataclass(frozen=True)
class GeneratedSplit:
    """A split on disk.

    Attributes:
        recipe: its parameters.
        list_path: rows ``<id> <frames> <class>``.
        frames_root: the folder that holds a folder per video.
        written: number of videos drawn by this call; the others existed already.
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
    videos: int | None = None,
    processes: int = 1,
    progress: Progress | None = None,
    waiting: Callable[[], None] | None = None,
) -> GeneratedSplit:
    """Generate a split of Temporal Shapes in `directory`, or finish one that was interrupted.

    Args:
        directory: created if missing; may hold both splits.
        split: ``train`` or ``val``.
        seed: seed of the split; by default the benchmark's.
        videos: number of videos, in pairs of an event and its reversal; by default the benchmark's.
        processes: number of processes; the bytes do not depend on it.
        progress: called with (videos done, videos in total).
        waiting: called before waiting for another process that makes a split here.

    Raises:
        RunConflictError: the directory holds this split with another recipe.
        DiskError: the disk is full; finished videos are kept.
        WorkerError: a process was killed; finished videos are kept.
    """
    recipe = _recipe(split, seed, videos)
    root = Path(directory)
    frames_root = root / FRAMES_FOLDER
    frames_root.mkdir(parents=True, exist_ok=True)
    with _folder_locked(root, waiting or (lambda: None)), full_disk_named(root):
        _claim(root, recipe)
        planned = plan_videos(split, recipe.seed, recipe.videos)
        missing = [video for video in planned if not (frames_root / video.id).is_dir()]
        _draw(missing, frames_root, processes, progress, total=len(planned))
        _write_lists(root, split, planned)
        result = GeneratedSplit(recipe, list_path(root, split), frames_root, len(missing), checksum(root, split))
        finished = json.dumps(asdict(recipe) | {"checksum": result.checksum}, indent=1) + "\n"
        write_whole(_recipe_path(root, split), finished.encode())
        write_whole(root / "README.md", write_card(_existing_recipes(root)).encode())
        return result


@contextmanager
def _folder_locked(root: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One process at a time makes splits in a folder; another one waits for it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(root / "shapes", wait=False))
        except BlockingIOError:
            waiting()
            stack.enter_context(locked(root / "shapes"))
        yield


def list_path(directory: str | Path, split: Split) -> Path:
    """Path of the list file of a split."""
    return Path(directory) / f"{split}_videofolder.txt"


def read_list(directory: str | Path, split: Split) -> list[tuple[str, int, int]]:
    """(id, frames, class) of every video of a generated split, in list order."""
    path = list_path(directory, split)
    if not path.is_file():
        raise SplitError(
            f"there is no {split} split of Temporal Shapes here",
            where=path,
            fix=f"gsmbench shapes make {pasteable(directory)} --split {split}",
        )
    rows = (line.split(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return [(video, int(frames), int(label)) for video, frames, label in rows]


def clips_path(directory: str | Path, split: Split) -> Path:
    """Path of the table with verb, noun, group, pace and event of every video."""
    return Path(directory) / f"{split}_clips.csv"


def read_nouns(directory: str | Path, split: Split) -> NDArray[np.int64]:
    """Shape ids int64 [N] of the videos of a generated split, in list order."""
    with clips_path(directory, split).open(encoding="utf-8", newline="") as file:
        return np.array([SHAPES.index(row["noun"]) for row in csv.DictReader(file)], dtype=np.int64)


def checksum(directory: str | Path, split: Split) -> str:
    """sha256, hexadecimal, over the list file and the bytes of every frame in list order."""
    digest = hashlib.sha256(list_path(directory, split).read_bytes())
    for video, frames, _ in read_list(directory, split):
        folder = Path(directory) / FRAMES_FOLDER / video
        for number in range(1, frames + 1):
            digest.update((folder / frame_name(number)).read_bytes())
    return digest.hexdigest()


def frame_name(number: int) -> str:
    """File name of a frame, counted from 1."""
    return f"{number:05d}.jpg"


def _recipe(split: Split, seed: int | None, videos: int | None) -> Recipe:
    if split not in DEFAULT_SEEDS:
        raise SplitError(f"Temporal Shapes has no split {split!r}", fix="use train or val")
    seed = DEFAULT_SEEDS[split] if seed is None else seed
    videos = DEFAULT_VIDEOS[split] if videos is None else videos
    if videos < 1 or seed < 0:
        raise SplitError(
            f"a split needs at least one video and a seed of at least 0, not {videos} videos and seed {seed}"
        )
    return Recipe(split, seed, videos)


def _claim(root: Path, recipe: Recipe) -> None:
    """Write the recipe before the first video, and refuse to mix two recipes."""
    path = _recipe_path(root, recipe.split)
    if not path.is_file():
        write_whole(path, (json.dumps(asdict(recipe), indent=1) + "\n").encode())
        return
    existing = _read_recipe(path)
    if {key: existing.get(key) for key in asdict(recipe)} != asdict(recipe):
        raise RunConflictError(
            f"the {recipe.split} split in this directory has {_text(existing)}, not {_text(asdict(recipe))}",
            where=path,
            fix="use another directory, or remove this one first",
        )


def _text(recipe: dict[str, object]) -> str:
    return ", ".join(f"{key} {recipe.get(key)}" for key in ("seed", "videos", "version"))


def _recipe_path(root: Path, split: str) -> Path:
    return root / f"{split}_recipe.json"


def _existing_recipes(root: Path) -> list[dict[str, object]]:
    paths = [_recipe_path(root, split) for split in DEFAULT_SEEDS]
    return [_read_recipe(path) for path in paths if path.is_file()]


def _read_recipe(path: Path) -> dict[str, object]:
    """A recipe file; earlier versions called `videos` `clips`.

    Raises:
        RunConflictError: it is no recipe.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        recipe: dict[str, object] = {"videos" if key == "clips" else key: value for key, value in read.items()}
        wrong = next((key for key, kind in RECIPE_KEYS.items() if type(recipe.get(key)) is not kind), None)
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise _no_recipe(path, str(error) or type(error).__name__) from error
    if wrong is not None:
        raise _no_recipe(path, f"its {wrong} is no {RECIPE_KEYS[wrong].__name__}")
    return recipe


def _no_recipe(path: Path, why: str) -> RunConflictError:
    fix = "copy it again; or remove this split with all its videos, and make it again"
    return RunConflictError(f"this recipe is damaged: {why[:200]}", where=path, fix=fix)


def _draw(
    missing: Sequence[DrawnVideo], frames_root: Path, processes: int, progress: Progress | None, *, total: int
) -> None:
    sweep_folder(frames_root)
    jobs = [(event, tuple(videos)) for event, videos in groupby(missing, key=lambda video: video.event)]
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
    with process_pool(processes) as pool:
        yield from pool.map(write, jobs, chunksize=4)


def _write_event(frames_root: Path, job: Job) -> int:
    event, videos = job
    encoded = [_encode(frame) for frame in draw_event(event)]
    for video in videos:
        _write_video(frames_root / video.id, encoded[::-1] if video.backward else encoded)
    return len(videos)


def _encode(frame: Frames) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _write_video(folder: Path, encoded: Sequence[bytes]) -> None:
    """Write a video's frames to a temporary folder and rename it: a folder with the final name is complete."""
    written = aside(folder)
    try:
        written.mkdir()
        for number, data in enumerate(encoded, start=1):
            (written / frame_name(number)).write_bytes(data)
        written.replace(folder)
    except OSError:
        if not folder.is_dir():  # else a worker of a killed run has just finished it
            raise
    finally:
        shutil.rmtree(written, ignore_errors=True)


def _write_lists(root: Path, split: Split, videos: Sequence[DrawnVideo]) -> None:
    write_whole(root / "category.txt", "".join(f"{name}\n" for name in CLASSES).encode())
    write_whole(root / "nouns.txt", "".join(f"{name}\n" for name in SHAPES).encode())
    write_whole(root / "actions.txt", "".join(f"{verb},{noun}\n" for verb, noun in ACTIONS).encode())
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("id", "frames", "class", "verb", "noun", "group", "pace", "event", "seed"))
    for video in videos:
        event = video.event
        row = (
            video.id,
            event.frames,
            video.label,
            video.verb,
            event.shape,
            event.group,
            event.pace,
            event.index,
            event.seed,
        )
        writer.writerow(row)
    write_whole(clips_path(root, split), table.getvalue().encode())
    write_whole(list_path(root, split), "".join(f"{v.id} {v.event.frames} {v.label}\n" for v in videos).encode())
