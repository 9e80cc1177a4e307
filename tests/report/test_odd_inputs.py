"""Score files that are unlike the others: the report leaves out what it cannot show, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from gsm_bench import Bench
from gsm_bench.errors import GsmBenchError
from gsm_bench.report.addresses import view_address
from gsm_bench.scorefile import write
from tests.conftest import clip_scores
from tests.report.browser import COMPLETE, count_of, show

VIDEOS, CLASSES = 40, 6

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def scores(seed: int = 0, videos: int = VIDEOS, classes: int = CLASSES, views: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(videos, views, classes))


def save(workspace, name: str, content, *, labels: np.ndarray | None = None):
    """Write scores that carry their labels."""
    labels = np.arange(len(content.ids), dtype=np.int32) % CLASSES if labels is None else labels
    labelled = content.__class__(**{**vars(content), "labels": {"action": labels}})
    path = workspace.scores / "made" / "val" / f"{name}.h5"
    write(path, labelled)
    return path


def one(seed: int = 0, **options):
    return clip_scores(options.pop("values", scores(seed)), offsets=options.pop("offsets", (0.5,)), **options)


def missing(workspace):
    status = np.zeros(VIDEOS, np.uint8)
    status[[3, 5]], values = 2, scores()
    values[[3, 5]] = np.nan
    save(workspace, "whole", one(1))
    save(workspace, "missing", one(values=values, status=status))


def without_labels(workspace):
    save(workspace, "unlabelled", one(), labels=np.full(VIDEOS, -1, np.int32))


def one_video(workspace):
    save(workspace, "single", one(values=scores(videos=1)))


def one_class(workspace):
    save(workspace, "single", one(values=scores(classes=1)), labels=np.zeros(VIDEOS, np.int32))


def other_videos(workspace):
    save(workspace, "first", one(1))
    save(workspace, "others", one(values=scores(2, videos=25), ids=[f"other{at}" for at in range(25)]))


def other_order(workspace):
    order = np.random.default_rng(4).permutation(VIDEOS)
    values, ids = scores(1), np.array([f"v{at}" for at in range(VIDEOS)])
    labels = np.arange(VIDEOS, dtype=np.int32) % CLASSES
    save(workspace, "first", one(values=values, ids=ids.tolist()), labels=labels)
    save(workspace, "shuffled", one(values=values[order], ids=ids[order].tolist()), labels=labels[order])


def part_of_them(workspace):
    save(workspace, "first", one(1))
    save(workspace, "part", one(values=scores(1, videos=10), limit=10))


def other_classes(workspace):
    save(workspace, "first", one(1))
    save(workspace, "more", one(values=scores(2, classes=300)))


def other_labels(workspace):
    save(workspace, "first", one(1))
    save(workspace, "second", one(2), labels=np.arange(1, VIDEOS + 1, dtype=np.int32) % CLASSES)


def probabilities(workspace):
    values = np.exp(scores())
    save(workspace, "soft", one(values=values / values.sum(axis=2, keepdims=True), kind="probabilities"))


def many_views(workspace):
    save(workspace, "views", one(values=scores(views=2), offsets=(0.0, 0.5)))


def equal_scores(workspace):
    save(workspace, "flat", one(values=np.zeros((VIDEOS, 1, CLASSES))))


def huge_scores(workspace):
    save(workspace, "huge", one(values=1e30 * scores()))


def damaged(workspace):
    save(workspace, "first", one(1))
    path = save(workspace, "damaged", one(2))
    path.write_bytes(path.read_bytes()[:900])


def long_names(workspace):
    save(
        workspace,
        "long",
        one(ids=[f"{'clip' * 60}{at}" for at in range(VIDEOS)], names=[f"{'word ' * 60}{at}" for at in range(CLASSES)]),
    )


def comma_in_the_name(workspace):
    save(workspace, "first", one(1))
    save(workspace, "a,b", one(2))


ODD = (
    missing, without_labels, one_video, one_class, other_videos, other_order, part_of_them, other_classes, other_labels,
    probabilities,
    many_views, equal_scores, huge_scores, damaged, long_names, comma_in_the_name,
)  # fmt: skip
LEFT_OUT = {
    damaged: "damaged.h5 is left out",
    comma_in_the_name: "a,b.h5 is left out: a comma",
    other_videos: "others.h5 is left out: 25 of its videos are not among those of scores/made/val/first.h5",
    other_classes: "more.h5 is left out: ",
    other_labels: "second.h5 is left out: 40 of 40 action labels",
}


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_odd_score_files(chromium, workspace, make):
    make(workspace)
    bench = Bench(workspace.root)
    path = workspace.reports / "report.html"
    content = bench.report(out=path)
    (split,) = content.splits
    with chromium.page(path, at="#clips", wait=COMPLETE) as page:
        assert count_of(page) == len(split.ids)
        assert not page.locator(".problem").count()
        for result in split.results:
            accuracy = result.evaluation.accuracy.get("action")
            hits = accuracy.hits[1] if accuracy else 0
            assert show(page, view_address("clips", right=result.name)) == hits
    named = " ".join(content.messages)
    words = LEFT_OUT.get(make, "")
    assert words in named
    assert ("left out" in named) == bool(words)
    assert content.complete == (not words and make is not missing)


def test_nothing_to_report(workspace):
    with pytest.raises(GsmBenchError, match="no score file to report"):
        Bench(workspace.root).report()


def test_only_damaged_files(workspace):
    path = save(workspace, "damaged", one())
    path.write_bytes(b"\x89HDF")
    with pytest.raises(GsmBenchError, match=r"no score file to report: scores/made/val/damaged\.h5 is left out"):
        Bench(workspace.root).report()
