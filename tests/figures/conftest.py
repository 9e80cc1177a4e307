"""A workspace with the shipped scores of Temporal Shapes, and what is measured on a figure."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.text import Text

from gsm_bench.api.bench import Bench
from gsm_bench.workspace import shipped_manifests
from tests.conftest import write_features

MODELS = ("shapes_8f", "shapes_12f", "shapes_16f", "shapes_24f")
KINDS = {
    "complexity": (),
    "improved": ("shapes_tsn_8f", "shapes_16f"),
    "confusion": ("shapes_tsn_8f",),
    "reliability": MODELS[:3],
    "pareto": MODELS[:3],
    "cascade": MODELS[:3],
    "per-class": ("shapes_8f", "shapes_16f"),
    "agreement": ("shapes_tsn_8f", *MODELS, "shapes_En3x2"),
    "tsne": ("shapes_tsn_8f", "shapes_8f"),
    "saliency": ("shapes_tsn_8f", "shapes_8f"),
    "frames": ("shapes_En3x2",),
}


SCORE_KINDS = [kind for kind in KINDS if kind not in ("tsne", "saliency", "frames")]
"""Kinds that are drawn from score files alone."""


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Bench:
    root = tmp_path_factory.mktemp("shapes")
    shutil.copytree(shipped_manifests() / "shapes" / "data", root / "data" / "shapes")
    shutil.copytree(shipped_manifests() / "shapes" / "scores", root / "scores")
    bench = Bench(root)
    for model, spread in (("shapes_tsn_8f", 3.0), ("shapes_8f", 0.3)):
        head = bench.scores(model).head
        labels = bench.labels()(head).labels["action"][::3]
        rng = np.random.default_rng(0)
        means = rng.standard_normal((14, 16))
        features = means[labels] + spread * rng.standard_normal((len(labels), 16))
        write_features(
            bench.workspace.feature_path("shapes", "val", model), [*head.ids][::3], {"pool": features, "mid": features[:, :8]},
            model=model, dataset="shapes", split="val", sample=187,
        )  # fmt: skip
    draw_video(root / "data" / "shapes" / "frames" / "200001", 67)
    return bench


def draw_video(folder, frames, size=(96, 72)) -> None:
    """Frames of a bright square that moves over a dim noise."""
    try:
        from PIL import Image
    except ImportError:
        return
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60, (size[1], size[0], 3), np.uint8)
    folder.mkdir(parents=True)
    for number in range(frames):
        picture = noise.copy()
        left = round((size[0] - 16) * number / max(1, frames - 1))
        picture[28:44, left : left + 16] = (220, 40, 40)
        Image.fromarray(picture).save(folder / f"{number + 1:05d}.jpg", quality=85)


def options(kind: str) -> dict[str, object]:
    """What a kind needs beside names; skips the test where it needs what is not installed."""
    if kind in ("saliency", "frames"):
        pytest.importorskip("torch" if kind == "saliency" else "PIL")
        return {"ids": ("200001",)}
    return {"dataset": "shapes"} if kind == "complexity" else {}


def texts_of(figure) -> list[Text]:
    """Every text that is visible on a figure; tick labels beyond the limits of their axis are not."""
    figure.draw_without_rendering()
    beyond = set()
    for axes in figure.findobj(lambda artist: hasattr(artist, "get_xlim")):
        for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                within = low - 1e-9 * abs(low) <= tick.get_loc() <= high + 1e-9 * abs(high)
                hidden = not (axes.axison and axis.get_visible() and within)
                beyond |= {id(label) for label in (tick.label1, tick.label2) if hidden or not label.get_visible()}
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in beyond
    ]


def overlaps(figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap by more than a third of a point."""
    texts = texts_of(figure)
    boxes = np.array([text.get_window_extent().extents for text in texts])
    pairs = []
    for one in range(len(texts)):
        shared = np.minimum(boxes[one, 2:], boxes[one + 1 :, 2:]) - np.maximum(boxes[one, :2], boxes[one + 1 :, :2])
        others = np.flatnonzero((shared > 0.34).all(axis=1)) + one + 1
        pairs += [(texts[one].get_text(), texts[other].get_text()) for other in others]
    return pairs


def clipped(figure) -> list[str]:
    """Texts that reach out of the figure by more than half a point."""
    width, height = figure.bbox.width, figure.bbox.height
    return [
        text.get_text()
        for text in texts_of(figure)
        for box in [text.get_window_extent()]
        if min(box.x0, box.y0) < -0.5 or box.x1 > width + 0.5 or box.y1 > height + 0.5
    ]
