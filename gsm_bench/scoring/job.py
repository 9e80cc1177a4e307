"""A scoring run: model, split, views, settings, paths, and the signature of every setting that could change a score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gsm_bench.entries import OWN_NETWORKS, ModelEntry, library_of
from gsm_bench.errors import GsmBenchError
from gsm_bench.frames.read_views import ReadPlan
from gsm_bench.frames.sources import FrameSource
from gsm_bench.geometry import input_settings
from gsm_bench.nets.libraries import library_version
from gsm_bench.provenance import Provenance
from gsm_bench.run_origin import installed_version, run_origin
from gsm_bench.sampling_rules import TICKS, Sampling, view_offsets
from gsm_bench.score_head import FEATURE_KIND, FEATURES, SCORES, FileForm
from gsm_bench.scorefile import views_array
from gsm_bench.settings import BadFramePolicy, Compile, Crops, FrameOrder, Precision, Resize
from gsm_bench.splits import Split
from gsm_bench.usable_memory import usable_memory

HALF_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
CHUNK_VIDEOS = 16
"""Videos per chunk of a small run, which a kill can lose. Runs of many videos have at most MAX_CHUNKS chunks."""
MAX_CHUNKS = 2000
DEFAULT_BATCH = {"cpu": 2, "cuda": 64}
"""Clips per pass. A pass on a GPU costs 6 ms of launching, whatever its size: 16 clips are computed in less."""
LEAST_PIXEL_BYTES = 512 << 20
PIXEL_SHARE = 16
"""Pixels that a run holds take one of so many parts of the memory: eight GPUs have a process each."""


def default_pixel_bytes() -> int:
    """Bytes of pixels that a run holds at once: a part of this machine's memory."""
    return max(LEAST_PIXEL_BYTES, usable_memory()[0] // PIXEL_SHARE)


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        precision: arithmetic of the network; scores are stored as float32.
        batch: clips per forward pass of one view.
        workers: threads that read frames.
        threads: forward passes in parallel on a CPU, one thread each.
        resize: what resizes frames; it changes no byte.
        compile: whether networks are compiled, for passes of one shape.
        pixel_bytes: bytes of pixels that are held at once: half of them read ahead, half in passes. One batch of each is
            held whatever it takes. It changes no score.
        shard: (i, n), from 1, to score only every n-th chunk; None to share all chunks with other processes.
    """

    device: str = "cpu"
    precision: Precision = "float32"
    batch: int = 2
    workers: int = 2
    threads: int = field(default_factory=torch.get_num_threads)
    on_bad_frame: BadFramePolicy = "skip"
    frame_order: FrameOrder = "forward"
    shard: tuple[int, int] | None = None
    resize: Resize = "reader"
    compile: Compile = "none"
    pixel_bytes: int = field(default_factory=default_pixel_bytes)

    @property
    def device_type(self) -> str:
        return torch.device(self.device).type


@dataclass(frozen=True)
class Job:
    """One model on one split, and the score file, or the feature file of a run that computes features.

    Attributes:
        layers: number of features of each layer that is written instead of scores; empty for scores.
        clips: K of the sampling rule, where `views` are a part of them; None for all.
        sample: number of videos, for a run over some at equal distances.
        search: the folder of networks of the user's own.
        left_out_keys: keys of the checkpoint that belong to training code and were left out.
        frames_path: the given place of the frames, else the directory of the data set.
        inputs_note: what the comparison with the frames of earlier scores says; None before it was made.
    """

    entry: ModelEntry
    split: Split
    source: FrameSource
    views: NDArray[np.void]
    settings: Settings
    target: Path
    checkpoint_sha256: str
    fresh: bool = False
    limit: int | None = None
    search: Path | None = None
    left_out_keys: tuple[str, ...] = ()
    frames_path: str = ""
    inputs_note: str | None = None
    layers: Mapping[str, int] = field(default_factory=dict)
    sample: int | None = None
    clips: int | None = None

    @property
    def form(self) -> FileForm:
        """What the file of this run holds."""
        return FEATURES if self.layers else SCORES

    @property
    def columns(self) -> dict[str, int]:
        """Columns of the file per task, or per layer."""
        return dict(self.layers) or self.entry.tasks

    @property
    def kind(self) -> str:
        """Kind of its values."""
        return FEATURE_KIND if self.layers else self.entry.score_kind

    @property
    def network_entry(self) -> ModelEntry:
        """The entry with what the network of this run returns as its classes."""
        return replace(self.entry, classes=dict(self.layers)) if self.layers else self.entry

    @property
    def read_plan(self) -> ReadPlan:
        settings = self.settings
        return ReadPlan(
            self.entry.frames,
            self.views,
            self.entry.input,
            settings.frame_order,
            settings.on_bad_frame,
            settings.resize,
            self.entry.sampling,
            settings.pixel_bytes // (2 * settings.batch),
            self.clips,
        )

    @property
    def chunk_videos(self) -> int:
        """Videos per chunk, a multiple of the batch so that batches are the same in every run."""
        least = max(CHUNK_VIDEOS, -(-len(self.split) // MAX_CHUNKS))
        return -(-least // self.settings.batch) * self.settings.batch

    @property
    def chunks_path(self) -> Path:
        """The folder of the run's chunks; its suffix is that of earlier versions, so that their runs can be resumed."""
        return self.target.with_name(f"{self.target.name}.parts")

    @property
    def signature(self) -> str:
        """One line with every setting that could change a score."""
        return "; ".join(f"{key}={value}" for key, value in self._signature_items().items())

    def _signature_items(self) -> dict[str, Any]:
        entry, settings = self.entry, self.settings
        return {
            "network": f"{entry.network}/{entry.temporal}/{entry.frames}f",
            "options": _compact(dict(entry.options)),
            "input": _compact(input_settings(entry.input)),
            "checkpoint": self.checkpoint_sha256
            + (f"#{entry.checkpoint.weights}" if entry.checkpoint.weights else "")
            + "".join(f" without {key}" for key in entry.ignore_keys),
            "kind": self.kind,
            **({"layers": ",".join(self.layers)} if self.layers else {}),
            "split": f"{self.split.dataset}/{self.split.name}/{self.split.sha256}",
            "views": _compact([[_place(v), int(v["crop"]), int(v["flip"])] for v in self.views]),
            "order": settings.frame_order,
            **({"sampling": str(entry.sampling)} if entry.sampling != TICKS else {}),
            **({"library": library_version(entry.network)} if library_of(entry.network) else {}),
            "precision": settings.precision,
            "device": _device_in_signature(settings.device),
            "batch": settings.batch,
            **({"half": "convolutions"} if settings.precision != "float32" and entry.network in OWN_NETWORKS else {}),
            **({"compile": settings.compile} if settings.compile != "none" else {}),
            "torch": torch.__version__,
            "pillow": installed_version("pillow"),
            **({"frames": self.source.encoding} if self.source.encoding else {}),
        }


def score_views(clips: int, crops: Crops, sampling: Sampling = TICKS) -> NDArray[np.void]:
    """The views [V] of K clips x crops; without offsets where the sampling has no ticks."""
    return views_array(view_offsets(sampling, clips), crops)


def _place(view: np.void) -> float | str:
    """The offset of a view, or the number of its clip where it has none."""
    return f"clip {view['clip']}" if np.isnan(view["offset"]) else float(view["offset"])


def default_device() -> str:
    """``cuda`` where a GPU can be used, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str) -> None:
    """Raise a GsmBenchError unless `name` is a device of this machine."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise GsmBenchError(
            f"{name!r} is not a device", fix="use --device cpu, cuda, cuda:0 or a list such as cuda:0,cuda:1"
        ) from error
    if device.type not in DEFAULT_BATCH:
        raise GsmBenchError(f"scoring on {device.type} is not supported", fix="use --device cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise GsmBenchError(
            f"no {name} on this machine, which has {torch.cuda.device_count()} usable GPUs",
            fix="use --device cpu, or check the driver with nvidia-smi",
        )


def provenance(job: Job, started: str | None, finished: str) -> Provenance:
    """The provenance of the score file; the run adds the cost."""
    entry, settings = job.entry, job.settings
    return Provenance(
        model=entry.name,
        entry=asdict(entry),
        checkpoint_sha256=job.checkpoint_sha256,
        dataset=job.split.dataset,
        split=job.split.name,
        split_sha256=job.split.sha256,
        list_path=str(job.split.list_path.resolve()),
        sampling=_sampling(entry, settings),
        input=input_settings(entry.input),
        views=[
            [int(v["clip"]), int(v["crop"]), int(v["flip"]), None if np.isnan(v["offset"]) else float(v["offset"])]
            for v in job.views
        ],
        precision=settings.precision,
        device=_device_name(settings.device),
        batch=settings.batch,
        compile=settings.compile,
        resized_by=settings.resize,
        versions={name: installed_version(name) for name in ("gsm-bench", "torch", "pillow", "numpy", "h5py")},
        started=started,
        finished=finished,
        signature=job.signature,
        limit=job.limit,
        sample=job.sample,
        frames_path=job.frames_path or None,
        **run_origin(),
        ignore_keys=[*entry.ignore_keys, *job.left_out_keys],
        frames=job.source.encoding or "stored pictures",
        frames_note=job.source.note or None,
        list_columns=job.split.columns or None,
        list_files=dict(job.split.list_files) or None,
    )


def _sampling(entry: ModelEntry, settings: Settings) -> dict[str, Any]:
    """The sampling as provenance holds it."""
    stride = {"stride": entry.sampling.stride} if entry.sampling.stride else {}
    return {"rule": entry.sampling.rule, **stride, "frames": entry.frames, "order": settings.frame_order}


def _compact(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return text if len(text) < 400 else hashlib.sha256(text.encode()).hexdigest()


def _device_in_signature(device: str) -> str:
    """A GPU by its model, because others round in another order; not by its number."""
    kind = torch.device(device).type
    return f"{kind} {torch.cuda.get_device_name(device)}" if kind == "cuda" else kind


def _device_name(device: str) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if torch.device(device).type == "cuda" else device
