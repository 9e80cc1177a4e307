"""Temporal Shapes: a small benchmark of our own on which only time decides. Needs numpy and Pillow, never torch."""

from gsm_bench.shapes.classes import CLASSES, PAIRS, SHAPES, mirrored_class, reversed_class
from gsm_bench.shapes.events import DrawnVideo, Event, Split, plan_clips
from gsm_bench.shapes.make import DEFAULT_CLIPS, DEFAULT_SEEDS, MadeSplit, checksum, make, read_list

__all__ = [
    "CLASSES",
    "DEFAULT_CLIPS",
    "DEFAULT_SEEDS",
    "PAIRS",
    "SHAPES",
    "DrawnVideo",
    "Event",
    "MadeSplit",
    "Split",
    "checksum",
    "make",
    "mirrored_class",
    "plan_clips",
    "read_list",
    "reversed_class",
]
