"""What decides a training: the released recipe, quirks included, and the default without its slips."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from gsm_bench.errors import GsmBenchError
from gsm_bench.settings import Precision, RecipeName

Segments = Literal["whole", "all"]


@dataclass(frozen=True)
class TrainingRecipe:
    """The settings of a training that decide its weights, beside network and data.

    Attributes:
        epochs: passes over the list. warmup: of them, epochs in which the rate rises.
        batch: clips of a micro-batch, over all processes. accumulate: micro-batches of a step.
        learning_rate: the highest. weight_decay: on every tensor. dropout: before the classifier.
        clip_norm: largest L2 norm of the gradient.
        clip_each: clip after every micro-batch instead of once per step.
        carry: add an unfinished group at the end of an epoch to the next epoch's first step, instead of making a step of it.
        segments: ``whole``: segments of n // T frames, so that the last n - T (n // T) frames are never seen and a video of
            fewer than T frames is T times its first one; ``all``: T equal parts of all n frames.
        crops_beyond: allow crops larger than the picture, with a black border.
        swap: labels of mirrored clips: ``names`` swaps classes whose names differ in left and right; ``numbers`` swaps the
            six released numbers where the data set's name has "something" in it; ``none`` swaps none.
        mirror: mirror half of the clips.
        shortest: videos with fewer frames are left out.
        bad_frame: what a frame that cannot be read is replaced by: ``first`` frame, ``nearest`` readable one, or ``error``.
        full_batch_norm: train all batch norms, or only the first one.
        validate_every: epochs between validations; the last epoch is always validated.
        precision: of the network's arithmetic.
        seed: of first weights, order, clips and dropout.
    """

    epochs: int = 60
    warmup: int = 10
    batch: int = 16
    accumulate: int = 2
    learning_rate: float = 0.01
    weight_decay: float = 5e-4
    dropout: float = 0.5
    clip_norm: float = 20.0
    clip_each: bool = False
    carry: bool = False
    segments: Segments = "all"
    crops_beyond: bool = False
    swap: Literal["names", "numbers", "none"] = "names"
    mirror: bool = True
    shortest: int = 1
    bad_frame: Literal["first", "nearest", "error"] = "error"
    full_batch_norm: bool = True
    validate_every: int = 5
    precision: Precision = "float32"
    seed: int = 1


DEFAULT = TrainingRecipe()
RELEASED = TrainingRecipe(
    clip_each=True, carry=True, segments="whole", crops_beyond=True, swap="numbers", shortest=3, bad_frame="first"
)
RECIPES: dict[RecipeName, TrainingRecipe] = {"default": DEFAULT, "released": RELEASED}

DEVIATIONS = {
    "clip_each": "the gradient is clipped once per step, not after every micro-batch",
    "carry": "an unfinished group of an epoch is a step of its own, not part of the next epoch's first step",
    "segments": "random frames come from all frames, not from T segments of n // T; short videos are no still pictures",
    "crops_beyond": "crops stay within the picture",
    "swap": "mirrored clips swap the classes whose names differ in left and right, not six fixed numbers",
    "shortest": "videos of one and two frames are used",
    "bad_frame": "a frame that cannot be read is an error, not replaced by the first one",
}
"""What the default does otherwise than the released code, by field."""


def deviations(recipe: TrainingRecipe) -> list[str]:
    """Every setting that differs from the released recipe, in words; empty for the recipe itself."""
    sentences = []
    for item in fields(TrainingRecipe):
        value, released, usual = (getattr(each, item.name) for each in (recipe, RELEASED, DEFAULT))
        if item.name == "seed" or value == released:
            continue
        known = DEVIATIONS.get(item.name) if value == usual else None
        sentences.append(known or f"{item.name} is {value} (released: {released})")
    return sentences


def recipe_of(name: RecipeName, changes: dict[str, Any]) -> TrainingRecipe:
    """A named recipe with the settings that are not None changed.

    A warm-up that is not given has the same share of fewer epochs: 10 of 60.

    Raises:
        GsmBenchError: the settings do not go together.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    if "warmup" not in given and given.get("epochs", DEFAULT.epochs) <= 2 * DEFAULT.warmup - 1:
        given["warmup"] = given["epochs"] * DEFAULT.warmup // DEFAULT.epochs
    recipe = replace(RECIPES[name], **given)
    if not 0 <= recipe.warmup < recipe.epochs:
        raise GsmBenchError(
            f"the warm-up of {recipe.warmup} epochs leaves none of {recipe.epochs} for the rest",
            fix="use a smaller --warmup or more --epochs",
        )
    if recipe.precision == "float16" and (recipe.clip_each or recipe.carry or not recipe.full_batch_norm):
        raise GsmBenchError(
            "float16 needs its gradients unscaled once per step, which the released recipe does not do",
            fix="use --precision bfloat16, or --recipe default",
        )
    return recipe
