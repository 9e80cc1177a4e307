"""The data card: what a made directory holds, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gsm_bench.shapes.classes import CLASSES, PAIRS, SHAPES
from gsm_bench.shapes.events import FRAMES_LEAST, FRAMES_MOST, PACES
from gsm_bench.shapes.textures import HEIGHT, SEEN, UNSEEN, WIDTH

TEMPLATE = """# Temporal Shapes

Drawn clips of one textured shape over a textured background, for action recognition in which time decides.
Every event is written as two clips: its frames in order under one class, the same frames in reverse order under
the partner class. No frame and no bag of frames tells the two apart: what looks at single frames
reaches half of its pair accuracy, at most 50%.

| split | seed | clips | version | sha256 of the list and all frames |
|---|---|---|---|---|
{splits}

- **Frames:** JPEG, {width} x {height} pixels, `frames/<id>/00001.jpg` and on; {least} to {most} frames a clip, never a
  multiple of 8 (there the test positions of a clip and of its reversal would be different frames).
- **Lists:** `<split>_videofolder.txt` with rows `<id> <frames> <class>`; `category.txt` names the classes in id order;
  `nouns.txt` the shapes, and `actions.txt` the pairs `<verb>,<noun>`, for networks with three classifiers.
- **`<split>_clips.csv`:** verb (the class's name), noun (the shape), texture group, pace, event and seed of every clip.
  Two clips of the same event are not independent: group by `event` when you resample.
- **Classes ({classes}):** {pairs}.
- **Shapes:** {shapes}.
- **Groups:** training clips and the even rounds of seven validation events use {seen};
  the odd rounds use {unseen}, which are never trained on.
- **Pace:** {paces}.
- Left-right mirror images swap moving left and right and both turns; all other classes stay.
- The pixels follow from split, seed and event number alone. The checksum also depends on the JPEG encoder
  (libjpeg-turbo of Pillow) and may, through the last bit of a sine, depend on the processor.
- Synthetic; no person, place or recording is in it. Accuracy here says how a network uses time on easy pictures,
  nothing about natural video.
"""


def write_card(recipes: Sequence[dict[str, object]]) -> str:
    """The text of `README.md` for a directory with these splits (their recipes and checksums)."""
    return TEMPLATE.format(
        splits="\n".join(_row(recipe) for recipe in recipes),
        width=WIDTH,
        height=HEIGHT,
        least=FRAMES_LEAST,
        most=FRAMES_MOST,
        classes=len(CLASSES),
        pairs="; ".join(f"{pair.forward} / {pair.backward}" for pair in PAIRS),
        shapes=", ".join(SHAPES),
        seen=", ".join(SEEN),
        unseen=", ".join(UNSEEN),
        paces=", ".join(f"{name} {share:.0%}" for name, share in PACES.items()),
    )


def _row(recipe: dict[str, object]) -> str:
    digest = recipe.get("checksum", "not finished")
    return f"| {recipe['split']} | {recipe['seed']} | {recipe['clips']:,} | {recipe['version']} | `{digest}` |"
