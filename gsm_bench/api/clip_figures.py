"""Figures of single videos: the frames that models are shown, and what in them speaks for the predicted class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.actions import are_pairs
from gsm_bench.api.sources import task_of
from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.ensembles.shown_frames import ShownClip, shown_clips
from gsm_bench.errors import GsmBenchError, SplitError
from gsm_bench.manifest_files import nearest
from gsm_bench.places import place_of
from gsm_bench.scorefile import ScoreHead, open_scores
from gsm_bench.splits import Split, read_split
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace
    from gsm_bench.api.figure_request import FigureRequest
    from gsm_bench.figures.saliency import ExplainedFrames
    from gsm_bench.figures.style import FigureStyle, Plot
    from gsm_bench.frames.sources import FrameSource
    from gsm_bench.scoring.job import Job
    from gsm_bench.scoring.saliency import WatchedClip

SAMPLED_VIDEOS = 256
"""Videos that are looked up to find out where frames lie."""
MOST_VIDEOS = 8
MOST_CLIPS = 24
"""Rows of a figure that are still readable."""
FILM_RATE = 4
"""Frames per second of a film."""


def make_frames(bench: OpenWorkspace, request: FigureRequest, style: FigureStyle) -> Plot:
    """The frames of one video that the members of ensembles and models are shown; no network runs."""
    from gsm_bench.figures.frames import ShownVideo, draw_frames, picture_pixels
    from gsm_bench.frames.stills import stills

    sources = [bench.source(name, request.dataset, request.split) for name in request.names]
    members = [member for source in sources for member in source.members]
    heads = {member.path: _head(member) for member in members}
    split, frames = _opened(bench, request, members[0], heads[members[0].path])
    if len(request.ids) > 1:
        raise GsmBenchError("a frames figure shows one video", fix="--ids ID")
    video = split.video(_row(split, request.ids[0]) if request.ids else 0)
    clips = _clips(members, heads, frames.count(video))
    pixels = picture_pixels(style, max(len(clip.numbers) for clip in clips))
    small = stills(frames, video, [int(number) for clip in clips for number in clip.numbers], pixels)
    label = _label(split, video.row, request.task)
    return draw_frames(style, ShownVideo(video.id, label, small.num_frames, small.pictures), clips)


def missing_frames(bench: OpenWorkspace, request: FigureRequest) -> str:
    """Why the frames of a request's first name cannot be read, and what to do; empty if they can."""
    member = bench.source(request.names[0], request.dataset, request.split).members[0]
    if find_spec("PIL") is None:
        return "pillow: pip install 'gsm-bench[score]'"
    try:
        _opened(bench, request, member, _head(member))
    except GsmBenchError as error:
        place = pasteable(request.data or bench.workspace.data / str(request.dataset))
        make = f"gsmbench shapes make {place} --split {request.split}"
        return f"frames: {make if request.dataset == 'shapes' else error}"
    return ""


def _clips(members: Sequence[MemberSpec], heads: Mapping[Path, ScoreHead | None], num_frames: int) -> list[ShownClip]:
    clips = [clip for member in members for clip in shown_clips(member, heads[member.path], num_frames)]
    if not clips:
        raise GsmBenchError(
            f"it is not known which frames {members[0].label} is shown", fix="name models or ensembles of the registry"
        )
    if len(clips) > MOST_CLIPS:
        raise GsmBenchError(
            f"{len(clips)} clips are too many for one figure", fix=f"name models of at most {MOST_CLIPS}"
        )
    return clips


def _head(member: MemberSpec) -> ScoreHead | None:
    """The head of a member's score file; None if there is none, which the registry's models do not need."""
    if member.entry is not None and not member.path.is_file():
        return None
    with open_scores(member.path) as file:
        return file.head


def _opened(
    bench: OpenWorkspace, request: FigureRequest, member: MemberSpec, head: ScoreHead | None
) -> tuple[Split, FrameSource]:
    """The split that a member is scored on, and its frames."""
    from gsm_bench.frames.sources import open_source
    from gsm_bench.scoring.list_columns import read_with_frames

    if member.entry is not None:
        place = bench.manifest.place(member.entry.dataset, member.entry.split, request.dataset, request.split)
    else:
        names = (head.provenance.dataset, head.provenance.split) if head else (None, None)
        place = request.dataset or str(names[0]), request.split or str(names[1])
    entry = bench.manifest.dataset(place[0])
    data = Path(request.data) if request.data else bench.workspace.data / entry.folder
    frames = place_of(request.frames) if request.frames else None
    return read_with_frames(
        lambda columns: read_split(entry, place[1], data, columns),
        lambda split: open_source(entry, data, split.sample(SAMPLED_VIDEOS), frames),
        entry.tasks.get("action", 0),
    )


def _row(split: Split, name: str) -> int:
    ids = list(split.ids)
    if name not in ids:
        raise SplitError(
            f"no video {name!r} in {split.dataset}/{split.name}{nearest(name, ids)}",
            where=split.list_path,
            fix="name videos of this list",
        )
    return ids.index(name)


def _label(split: Split, row: int, task: str | None) -> str:
    """Class name of a video; empty without labels."""
    if not split.labels:
        return ""
    chosen = task_of(list(split.labels), task)
    return _class_name(split, chosen, int(split.labels[chosen][row]))


def _class_name(split: Split, task: str, number: int) -> str:
    """Name of a class; of an action that is a pair of numbers, those of its verb and noun."""
    names = split.class_names.get(task, ())
    verbs, nouns = (split.class_names.get(part, ()) for part in ("verb", "noun"))
    if 0 <= number < len(names) and verbs and nouns and are_pairs(names[number : number + 1]):
        verb, noun = (int(part) for part in names[number].split(","))
        return f"{verbs[verb]}, {nouns[noun]}"
    return names[number] if 0 <= number < len(names) else "" if number < 0 else f"class {number}"


def make_saliency(bench: OpenWorkspace, request: FigureRequest, style: FigureStyle) -> Plot:
    """Frames of videos with the saliency of several models; needs torch."""
    from gsm_bench.figures.saliency import draw_saliency

    videos = explained_videos(bench, request)
    return draw_saliency(style, [one for models in videos for one in models])


def write_saliency_film(
    bench: OpenWorkspace, request: FigureRequest, style: FigureStyle, path: Path, *, force: bool
) -> None:
    """The same as a video file, models side by side."""
    from gsm_bench.figures.saliency import film
    from gsm_bench.frames.film import write_film

    write_film(path, film(style, explained_videos(bench, request)), FILM_RATE, force=force)


def explained_videos(bench: OpenWorkspace, request: FigureRequest) -> list[list[ExplainedFrames]]:
    """For each requested video what each model saw, and its saliency."""
    from gsm_bench.scoring.prepare import Request, prepare
    from gsm_bench.scoring.saliency import watch_clips

    if not 1 <= len(request.ids) <= MOST_VIDEOS:
        raise GsmBenchError(
            f"a saliency figure shows 1 to {MOST_VIDEOS} videos; {len(request.ids)} given", fix="--ids ID,ID"
        )
    by_model = []
    for name in request.names:
        job, loaded = prepare(
            Request(
                name, dataset=request.dataset, split=request.split, data=request.data, frames=request.frames,
                clips=1, crops=1, resize="reader",
            ),
            bench.manifest, bench.workspace,
        )  # fmt: skip
        task = task_of(list(job.entry.tasks), request.task)
        explained = _explained(job, task, request.block)
        by_model.append(
            [_named(job, task, one) for one in watch_clips(job, loaded.network, request.ids, task, explained)]
        )
    return [list(models) for models in zip(*by_model, strict=True)]


def _explained(job: Job, task: str, block: Sequence[str]) -> int | None:
    """Number of the class that is explained in place of the predicted one."""
    if not block:
        return None
    names = job.split.class_names.get(task, ())
    if len(block) > 1 or block[0] not in names:
        raise GsmBenchError(
            f"no class {','.join(block)!r} of {job.entry.name}{nearest(block[0], names)}",
            fix="--classes names one class",
        )
    return names.index(block[0])


def _named(job: Job, task: str, one: WatchedClip) -> ExplainedFrames:
    from gsm_bench.figures.saliency import ExplainedFrames

    return ExplainedFrames(
        one.model, one.video, one.frames, one.numbers, _class_name(job.split, task, one.label),
        _class_name(job.split, task, one.answer), float(one.probabilities[one.answer]),
        _class_name(job.split, task, one.chosen), one.tube,
    )  # fmt: skip
