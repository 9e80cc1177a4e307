"""Temporal Shapes: a small synthetic benchmark whose classes differ only in time. Needs numpy and Pillow, not torch."""

from gsm_bench.shapes.classes import CLASSES, PAIRS, SHAPES, mirrored_class, reversed_class
from gsm_bench.shapes.events import DrawnVideo, Event, Split, plan_videos
from gsm_bench.shapes.make import DEFAULT_SEEDS, DEFAULT_VIDEOS, GeneratedSplit, checksum, make, read_list

__all__ = [
    "CLASSES",
    "DEFAULT_SEEDS",
    "DEFAULT_VIDEOS",
    "PAIRS",
    "SHAPES",
    "DrawnVideo",
    "Event",
    "GeneratedSplit",
    "Split",
    "checksum",
    "make",
    "mirrored_class",
    "plan_videos",
    "read_list",
    "reversed_class",
]
