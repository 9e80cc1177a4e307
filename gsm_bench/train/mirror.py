"""Classes that a mirror turns into others, read from their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gsm_bench.actions import are_pairs, parse_pairs
from gsm_bench.train.augment import mirrored_label
from gsm_bench.train.rules import TrainingRecipe

Swaps = Mapping[str, Mapping[int, int]]
"""Class number of a mirrored clip by task and class; others keep theirs."""

TURNED = {
    "left": "right",
    "right": "left",
    "clockwise": "anticlockwise",
    "anticlockwise": "clockwise",
    "counterclockwise": "clockwise",
}
WORD = re.compile(r"[a-z]+")


def mirrored_classes(names: Sequence[str]) -> dict[int, int]:
    """Class numbers that a mirror swaps: pairs of names that differ in left and right, or in clockwise, alone.

    A name whose counterpart is not among the classes keeps its number. Case and what separates words do not matter.
    """
    numbers = {_words(name): number for number, name in enumerate(names)}
    pairs = {}
    for words, number in numbers.items():
        for turned in _turned(words):
            if turned != words and turned in numbers:
                pairs[number] = numbers[turned]
    return pairs


def swaps_of(
    recipe: TrainingRecipe, dataset: str, classes: Mapping[str, int], class_names: Mapping[str, Sequence[str]]
) -> Swaps:
    """The classes that a mirror swaps, by task, as a recipe wants it.

    Args:
        classes: numbers of classes by task.
        class_names: names by task, in column order; a task may have none.
    """
    if not recipe.mirror or recipe.swap == "none":
        return {}
    if recipe.swap == "numbers":
        numbers = {label: mirrored_label(label, dataset) for label in range(classes.get("action", 0))}
        return {"action": {label: other for label, other in numbers.items() if other != label}}
    swaps = {task: mirrored_classes(names) for task, names in class_names.items() if not are_pairs(names)}
    names = class_names.get("action", ())
    if names and are_pairs(names):
        swaps["action"] = _pairs_mirrored(names, swaps)
    return {task: pairs for task, pairs in swaps.items() if pairs}


def _pairs_mirrored(names: Sequence[str], swaps: Swaps) -> dict[int, int]:
    """Actions of a verb and a noun: each changes as its verb and noun do."""
    pairs = [(int(verb), int(noun)) for verb, noun in parse_pairs(names)]
    numbers = {pair: number for number, pair in enumerate(pairs)}
    verbs, nouns = swaps.get("verb", {}), swaps.get("noun", {})
    turned = {number: (verbs.get(verb, verb), nouns.get(noun, noun)) for (verb, noun), number in numbers.items()}
    return {number: numbers[pair] for number, pair in turned.items() if pair in numbers and numbers[pair] != number}


def _words(name: str) -> tuple[str, ...]:
    return tuple(WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))


def _turned(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words of the mirrored class, with either word for anticlockwise."""
    turned = tuple(TURNED.get(word, word) for word in words)
    other = tuple("counterclockwise" if word == "anticlockwise" else word for word in turned)
    return [turned, other]
