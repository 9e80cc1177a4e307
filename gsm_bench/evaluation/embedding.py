"""Features in two dimensions by t-SNE, and how well they keep groups apart.

One thread computes one embedding: the result does not depend on the number of cores then, and it is several times
faster where other processes use them. Several embeddings are computed in parallel.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.cpu_count import usable_cpus
from gsm_bench.errors import GsmBenchError

PERPLEXITY = 30.0
"""Of t-SNE, and at most a third of the videos."""
LEAST_VIDEOS = 5
DECIMALS = 3
"""Of points, which spread over about 100: a figure is drawn from the numbers that are written."""
SEED = 0
"""Of t-SNE, which starts from the two main components of the features: another seed gives the same picture."""


@dataclass(frozen=True)
class FeatureSet:
    """Features of one layer of one model.

    Attributes:
        label: the model; layer: its layer.
        features: float32 [n, F] of n videos.
    """

    label: str
    layer: str
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Embedding:
    """A feature set in the plane.

    Attributes:
        points: float64 [n, 2].
        silhouettes: float64 [n], the silhouette coefficient of each video among the features, not in the plane; NaN
            where it is not defined, with fewer than two groups.
    """

    label: str
    layer: str
    points: NDArray[np.float64]
    silhouettes: NDArray[np.float64]

    @property
    def silhouette(self) -> float:
        """Mean silhouette coefficient, -1 to 1: above 0, videos are nearer to their own group than to the next one."""
        return float(self.silhouettes.mean())


def embed(sets: Sequence[FeatureSet], groups: NDArray[np.int64]) -> list[Embedding]:
    """Embed each feature set, and measure how it keeps the groups of its n videos, int64 [n], apart.

    Raises:
        GsmBenchError: there are fewer than `LEAST_VIDEOS` videos, or the features of all videos are the same.
    """
    from threadpoolctl import threadpool_limits

    if len(groups) < LEAST_VIDEOS:
        raise GsmBenchError(
            f"{len(groups)} videos with features and a class of these groups; t-SNE needs {LEAST_VIDEOS}",
            fix="compute features of more videos, or name other groups",
        )
    with threadpool_limits(1), ThreadPoolExecutor(min(len(sets), usable_cpus())) as pool:
        return list(pool.map(lambda one: _embed_one(one, groups), sets))


def _embed_one(one: FeatureSet, groups: NDArray[np.int64]) -> Embedding:
    from sklearn.manifold import TSNE
    from sklearn.metrics import silhouette_samples
    from threadpoolctl import threadpool_limits

    values = one.features.astype(np.float64)
    if not values.std(axis=0).any():
        raise GsmBenchError(
            f"layer {one.layer} of {one.label} has the same features for all videos", fix="name another layer"
        )
    values /= values.std()  # tiny or huge features lose no digits in the float32 of t-SNE
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    given = np.pad(values, ((0, 0), (0, max(0, 2 - values.shape[1])))).astype(np.float32)  # the plane has two columns
    with threadpool_limits(1, user_api="openmp"):  # the limit of OpenMP is that of each thread, that of BLAS of all
        points = TSNE(init="pca", perplexity=perplexity, random_state=SEED).fit_transform(given)
    several = 2 <= len(np.unique(groups)) < len(groups)
    silhouettes = silhouette_samples(values, groups) if several else np.full(len(groups), np.nan)
    return Embedding(one.label, one.layer, points.astype(np.float64).round(DECIMALS), silhouettes)
