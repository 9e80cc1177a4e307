"""Where the scores of a file come from: the JSON object in its attribute ``provenance``, typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec

VERSION_1_KEYS = {"halved": "batch_halvings", "eager": "compile_fallbacks"}
"""Keys of score files of format version 1, with their names since."""
OPTIONAL_KEYS = {
    "sample", "command_line", "host", "code_commit", "frames_path", "fingerprint",
    "compile", "resized_by", "ignore_keys", "frames", "frames_note", "frames_unused", "list_columns", "list_files",
    "batch_halvings", "compile_fallbacks", "frames_text", "members",
    "space", "cascade", "imported_from", "source_sha256", "source_format", "assumptions",
}  # fmt: skip
"""Fields that are written only where they are known; all others are written as null."""


@dataclass(frozen=True)
class Provenance:
    """Everything that a score file says about its origin; None where it does not know.

    Attributes:
        entry: the model's registry entry, flat.
        sampling: ``rule``, ``frames`` and ``order``; see `sampled_frames` and `frame_order`.
        input: the model's input settings.
        views: clip, crop, flip and offset in ticks of each view.
        params: parameters of the network; of all members for an ensemble.
        macs_bare_per_view: multiply-accumulates of one view, counted over the layers; macs_paper_per_view: as papers do.
        uncounted: operations that the count leaves out.
        versions: version of each package that was used.
        started, finished: times in ISO 8601, UTC.
        signature: one line of everything that could change a number.
        limit: number of videos, for a run over the first ones only; sample: for one over some at equal distances.
        command_line: the words of the command; host: the machine; code_commit: commit of the package, else its version.
        frames_path: file or folder of the frames, or of the data set that they were searched in.
        fingerprint: digests of ``/fingerprints``, of the numbers of frames used and of those that the list gives.
        frames_unused: number of `videos` with more frames than their list says; `first` of them, `listed` and `stored` frames.
        list_columns: meaning of the columns of a plain list.
        list_files: sha256 of the list file and of the file of groups, by name.
        frames: encoding of the frames that were read; frames_note: what the run said about them.
        batch_halvings: chunks by batch size, where memory did not hold the whole batch.
        compile_fallbacks: chunks by the reason why the network was not compiled.
        frames_text: frames and views as tables show them, where they do not follow from `sampling`.
        members: model, weight, views, signature and training data of each member of an ensemble.
        space: the space that an ensemble was averaged in, per task.
        cascade: members, rule and thresholds of a cascade, and the videos that reached each stage.
        imported_from: path or paths of the dump of an import; source_sha256 and source_format describe it.
        assumptions: what an import assumed, one sentence each.
        extra: keys that this version does not know; they are kept and written back.
    """

    model: str | None = None
    entry: Mapping[str, Any] | None = None
    checkpoint_sha256: str | None = None
    dataset: str | None = None
    split: str | None = None
    split_sha256: str | None = None
    list_path: str | None = None
    sampling: Mapping[str, Any] | None = None
    input: Mapping[str, Any] | None = None
    views: Sequence[Any] | None = None
    precision: str | None = None
    device: str | None = None
    batch: int | None = None
    params: int | None = None
    macs_bare_per_view: int | None = None
    macs_paper_per_view: int | None = None
    uncounted: Mapping[str, int] | None = None
    versions: Mapping[str, str] | None = None
    started: str | None = None
    finished: str | None = None
    signature: str | None = None
    limit: int | None = None
    sample: int | None = None
    command_line: Sequence[str] | None = None
    host: str | None = None
    code_commit: str | None = None
    frames_path: str | None = None
    fingerprint: Mapping[str, Any] | None = None
    compile: str | None = None
    resized_by: str | None = None
    ignore_keys: Sequence[str] | None = None
    frames: str | None = None
    frames_note: str | None = None
    list_columns: Sequence[str] | None = None
    list_files: Mapping[str, str] | None = None
    frames_unused: Mapping[str, Any] | None = None
    batch_halvings: Mapping[str, int] | None = None
    compile_fallbacks: Mapping[str, int] | None = None
    frames_text: str | None = None
    members: Sequence[Mapping[str, Any]] | None = None
    space: Mapping[str, str] | None = None
    cascade: Mapping[str, Any] | None = None
    imported_from: str | Sequence[str] | None = None
    source_sha256: str | Sequence[str] | None = None
    source_format: str | None = None
    assumptions: Sequence[str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Provenance | Mapping[str, Any]) -> Provenance:
        """Provenance from a JSON object; raises ValueError for a known key with a value of the wrong type."""
        if isinstance(values, Provenance):
            return values
        if not isinstance(values, Mapping):
            raise ValueError("the provenance is not a JSON object")
        values = {VERSION_1_KEYS.get(key, key): value for key, value in values.items()}
        try:
            known = msgspec.convert({key: values[key] for key in values.keys() & KEYS}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(f"provenance: {error}") from error
        return replace(known, extra={key: value for key, value in values.items() if key not in KEYS})

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: every key of the contract, null where unknown; further keys where known; unknown keys."""
        known = {key: getattr(self, key) for key in KEYS}
        return {k: v for k, v in known.items() if v is not None or k not in OPTIONAL_KEYS} | dict(self.extra)

    def to_json(self) -> str:
        """The JSON text that is stored in score files and their exports."""
        return json.dumps(self.to_dict())

    @property
    def frames_unused_text(self) -> str:
        """Which videos have more frames than the run used, in words; empty if none is known."""
        unused = self.frames_unused
        if not unused:
            return ""
        return (
            f"{unused['videos']:,} {'video has' if unused['videos'] == 1 else 'videos have'} more frames than the list says; "
            f"of {unused['first']!r} {unused['listed']:,} of {unused['stored']:,} frames were used"
        )

    @property
    def place(self) -> str:
        """``dataset/split``."""
        return f"{self.dataset}/{self.split}"

    @property
    def sampled_frames(self) -> int | None:
        """Frames of one clip."""
        return (self.sampling or {}).get("frames")

    @property
    def other_rule(self) -> str:
        """Rule that the clips were sampled by, where it is not the one by ticks; empty for that one, and where unknown."""
        rule = str((self.sampling or {}).get("rule", ""))
        return "" if rule == "ticks" else rule

    @property
    def frame_order(self) -> str:
        """Order in which the network saw the frames of a clip, normally ``forward``."""
        return str((self.sampling or {}).get("order", "forward"))

    @property
    def trained_on(self) -> tuple[str, ...]:
        """``dataset/split`` names that the model, or any member of an ensemble, was trained on."""
        names = [*((self.entry or {}).get("trained_on") or ())]
        for member in self.members or ():
            names += member.get("trained_on") or ()
        return tuple(dict.fromkeys(names))

    @property
    def pretraining(self) -> list[str]:
        """Pretraining of the model, or of each member of an ensemble; empty where unknown."""
        return [str(part.get("pretraining") or "") for part in self.members or [self.entry or {}]]


KEYS = tuple(key.name for key in fields(Provenance) if key.name != "extra")
