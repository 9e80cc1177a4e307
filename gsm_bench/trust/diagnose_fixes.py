"""What to do about a cause: the lines of TOML that correct an entry, or a sentence where no entry can say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gsm_bench.entries import ModelEntry
from gsm_bench.geometry import InputSpec
from gsm_bench.trust.diagnose_settings import Trial

INPUT_KEYS = ("size", "resize", "channel_order", "value_range", "mean", "std")
WORDS: Mapping[str, str] = {
    "squash": "no entry can say it: resize the frames on disk to a square, or train with a crop out of the middle",
    "filter": "no entry can say it: resize the frames on disk with that filter, to the size that the entry's resize gives",
    "rule": "no entry can say it: a network of your own (network = \"module:function\") takes the same ticks; "
    "extract frames at a rate that gives the same times, or train with this rule",
    "shift": "number the frames as the network was trained: see first_frame of the data set's entry, and the first "
    "frame of the extraction",
    "numbering": "the frames were renumbered after their names had been sorted as text (1, 10, 11, .., 2): extract them "
    "again, with numbers of fixed width",
    "counts": "the frame counts of the list are those of another extraction: leave the column out, or count the frames again",
    "order": "the frames lie backwards: extract them again; until then, gsmbench score --frame-order reversed",
    "flip": "the frames are mirrored, as an extraction that ignores the display matrix leaves them: extract them again",
    "statistics": "the batch-norm statistics of the checkpoint do not fit its weights: take the file that was saved after "
    "training, or estimate them again over training videos",
}  # fmt: skip
TICKS_RULE = "middle of ticks"
LABEL_WORDS: Mapping[str, str] = {
    "class numbers one": "class numbers start at 0, in the order of the class file: write the list again",
    "class names in alphabetical order": 'class_order = "alphabetical" in the entries of the model and of the data set',
    "class names in the order of the file": 'class_order = "file" in the entries of the model and of the data set',
    "class numbers sorted as text": "the classes were numbered after their numbers had been sorted as text (0, 1, 10, 11, .., 2): "
    "use the class file that the network was trained with",
    "labels": "the column of labels slipped against the ids: write the list again from its source",
    "rows": "the rows of the scores are in another order than the list: import them with their ids, or sort the list alike",
    "classes": "use the list and the class file that the network was trained with",
}


def toml_fix(entry: ModelEntry, base: Trial, trial: Trial) -> str:
    """The lines that a manifest needs, below the entry's heading; empty if no key of an entry changes."""
    changes = trial.changes(base)
    lines = []
    if "rule" in changes and trial.rule == TICKS_RULE:
        lines.append('sampling = { rule = "ticks" }')
    if "frames" in changes:
        lines.append(f"frames = {trial.frames}")
    if changes.keys() & set(INPUT_KEYS):
        settings = {key: getattr(trial, key) for key in INPUT_KEYS if key in changes}
        spec = replace(entry.input, **settings, stretch=trial.spec.stretch)
        lines.append(f"input = {input_toml(spec)}")
    return "\n".join([f"[models.{_key(entry.name)}]", *lines]) if lines else ""


def input_toml(spec: InputSpec) -> str:
    """The value of the key `input` of a model's entry."""
    return (
        f'{{ size = {spec.size}, resize = {spec.resize}, channel_order = "{spec.channel_order}", '
        f"value_range = {_number(spec.value_range)}, mean = {_list(spec.mean)}, std = {_list(spec.std)}, "
        f'interpolation = "{spec.interpolation}"{_stretch(spec)} }}'
    )


def _stretch(spec: InputSpec) -> str:
    return f", stretch = {list(spec.stretch)}" if spec.stretch else ""


def words_for(name: str, value: Any) -> str:
    """What to do about a setting that an entry cannot change, or where to find the key that it has."""
    if name == "labels":
        return next(words for start, words in LABEL_WORDS.items() if str(value).startswith(start))
    if name == "rule" and value == TICKS_RULE:
        return "change the key `sampling` of the model's entry"
    if name == "shape":
        return WORDS["squash"]
    return WORDS.get(name, "change this key of the model's entry")


def shown(name: str, value: Any) -> str:
    """A value of a setting as text."""
    if name in ("mean", "std"):
        return _list(value)
    if name == "value_range":
        return f"0..{_number(value)}"
    if name == "flip":
        return "mirrored" if value else "as stored"
    if name == "shift":
        return f"{value:+d}" if value else "0"
    return str(value)


def _list(values: tuple[float, ...]) -> str:
    return f"[{', '.join(_number(value) for value in values)}]"


def _number(value: float) -> str:
    return f"{value:.10g}"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else f'"{name}"'
