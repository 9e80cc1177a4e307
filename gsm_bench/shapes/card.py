"""The data card: what a directory of drawn videos holds, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gsm_bench.shapes.classes import CLASSES, PAIRS, SHAPES
from gsm_bench.shapes.events import FRAMES_LEAST, FRAMES_MOST, PACES
from gsm_bench.shapes.textures import HEIGHT, SEEN, UNSEEN, WIDTH

TEMPLATE = """# Temporal Shapes

Drawn videos of one textured shape on a textured background, for action recognition in which time matters.
Every event is written as two videos: its frames in order under one class, and the same frames in reverse order
under the partner class. No frame and no bag of frames separates the two. A network that looks at single frames
can be right on one video of each pair: 50% at most.

| split | seed | videos | version | sha256 of the list and all frames |
|---|---|---|---|---|
{splits}

- **Frames:** JPEG, {width} x {height} pixels, in `frames/<id>/00001.jpg` and so on. A video has {least} to {most} frames,
  never a multiple of 8. With a multiple of 8, a video and its reversal would be tested on different frames.
- **Lists:** `<split>_videofolder.txt` has rows `<id> <frames> <class>`; `category.txt` names the classes in id order.
  For networks with three classifiers, `nouns.txt` lists the shapes and `actions.txt` the pairs `<verb>,<noun>`.
- **`<split>_clips.csv`:** verb (the class name), noun (the shape), texture group, pace, event and seed of every video.
  Two videos of the same event are not independent: group by `event` when you resample.
- **Classes ({classes}):** {pairs}.
- **Shapes:** {shapes}.
- **Groups:** training videos and the even rounds of seven validation events use {seen};
  the odd rounds use {unseen}, which are never trained on.
- **Pace:** {paces}.
- **Mirroring:** a left-right mirror image swaps moving left and right, and both turns. All other classes stay.
- **Pixels** follow from split, seed and event number alone. The checksum also depends on the JPEG encoder
  (libjpeg-turbo of Pillow). It may depend on the processor, through the last bit of a sine.
- **Limits:** the data are synthetic and show no person, place or recording. Accuracy here measures how a network uses
  time on easy images. It says nothing about natural video.
"""


def write_card(recipes: Sequence[dict[str, object]]) -> str:
    """The text of `README.md` of a directory with these splits (their recipes and checksums)."""
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
    return f"| {recipe['split']} | {recipe['seed']} | {recipe['videos']:,} | {recipe['version']} | `{digest}` |"
