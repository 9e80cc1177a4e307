"""From the keys of a checkpoint to those of a network: wrappers and training code put words before and between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from torch import Tensor

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Components that wrappers add: DataParallel, torch.compile, FSDP, checkpointing."""
PREFIXES = ("net.", "model.", "backbone.", "encoder.", "network.", "base.", "module.", "_orig_mod.")
"""What training code may put before some of the keys."""
RENAMED = (
    (r"\.q_bias$", ".query.bias"),
    (r"\.v_bias$", ".value.bias"),
    (r"\.encoder\.layer\.", ".layers."),
    (r"\.attention\.attention\.query\.", ".attention.q_proj."),
    (r"\.attention\.attention\.key\.", ".attention.k_proj."),
    (r"\.attention\.attention\.value\.", ".attention.v_proj."),
    (r"\.attention\.output\.dense\.", ".attention.o_proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
)
"""Parts of keys that transformers 5 renamed in the networks of VideoMAE and ViViT, and not in their files."""
BESIDE_NETWORK = re.compile(
    r"(^|_)(criterion|criteria|loss|losses|metric|metrics|acc|accuracy|ema_decay|n_averaged|total_ops|total_params)(_|$)"
)
"""Words of keys of training code that are no part of a network: loss functions, counters, thop's marks."""


def renamed_keys(weights: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, str]:
    """The key in the network for each key of a file, by the first way of renaming that gives the network's keys.

    Keys as they are come first; then components of wrappers are dropped wherever they stand, then prefixes that all or
    some keys share, then a prefix of the network is added. If no way is complete, the one with most matching keys.
    """
    wanted = network.keys()
    best: dict[str, str] = {}
    most = -1
    for names in _ways(list(weights), wanted):
        if len(set(names.values())) < len(names):  # two keys would become one
            continue
        matching = sum(name in wanted and network[name].shape == weights[key].shape for key, name in names.items())
        if matching > most:
            best, most = names, matching
        if matching == len(wanted):
            break
    return best


def removed_prefix(names: Mapping[str, str]) -> str:
    """What was removed before every key; empty if it differs among keys."""
    prefixes = {key.removesuffix(name) if key.endswith(name) else "" for key, name in names.items()}
    return prefixes.pop() if len(prefixes) == 1 else ""


def is_beside_network(key: str, network_keys: Set[str]) -> bool:
    """Whether a superfluous key belongs to training code: such a word stands in a component that the network lacks."""
    components = {part for name in network_keys for part in name.split(".")}
    return any(BESIDE_NETWORK.search(part.lower()) for part in key.split(".") if part not in components)


def _ways(keys: Sequence[str], wanted: Set[str]) -> Iterator[dict[str, str]]:
    yield {key: key for key in keys}
    parts = {part for name in wanted for part in name.split(".")}
    unwrapped = {key: _without(key, [word for word in WRAPPERS if word not in parts]) for key in keys}
    yield unwrapped
    own_names = {_newest_name(name): name for name in wanted}
    yield {key: name if name in wanted else own_names.get(_newest_name(name), name) for key, name in unwrapped.items()}
    yield from _without_common(keys, lambda key: key)
    yield from _without_common(keys, lambda key: unwrapped[key])
    yield {key: _some_prefix_dropped(name, wanted) for key, name in unwrapped.items()}
    for prefix in _common_prefixes(list(wanted)):
        yield {key: prefix + name for key, name in unwrapped.items()}


def _newest_name(name: str) -> str:
    """The name as the newest version of its library writes it."""
    for old, new in RENAMED:
        name = re.sub(old, new, name)
    return name


def _without(key: str, words: Sequence[str]) -> str:
    return ".".join(part for part in key.split(".") if part not in words)


def _without_common(keys: Sequence[str], name_of: Callable[[str], str]) -> Iterator[dict[str, str]]:
    """The keys without what most of them begin with, one component after the other."""
    names = {key: name_of(key) for key in keys}
    for prefix in _common_prefixes(list(names.values())):
        yield {key: name.removeprefix(prefix) for key, name in names.items()}


def _common_prefixes(names: Sequence[str]) -> list[str]:
    """Prefixes of one or more components that more than half of the names share, from the shortest on."""
    prefixes: list[str] = []
    while True:
        prefix = prefixes[-1] if prefixes else ""
        counts: dict[str, int] = {}
        for name in names:
            if name.startswith(prefix) and "." in name[len(prefix) :]:
                first = name[len(prefix) :].partition(".")[0]
                counts[first] = counts.get(first, 0) + 1
        most = max(counts, key=lambda word: counts[word], default="")
        if not most or 2 * counts[most] <= len(names):
            return prefixes
        prefixes.append(f"{prefix}{most}.")


def _some_prefix_dropped(name: str, wanted: Set[str]) -> str:
    """The name without a usual prefix, if only then it is the network's."""
    if name in wanted:
        return name
    return next(
        (
            name.removeprefix(prefix)
            for prefix in PREFIXES
            if name.startswith(prefix) and name.removeprefix(prefix) in wanted
        ),
        name,
    )
