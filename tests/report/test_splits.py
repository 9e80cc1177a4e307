"""Reports of real data sets' layouts: numbers are the command line's, and every right answer can be listed."""

from __future__ import annotations

import numpy as np

from gsm_bench import Bench
from gsm_bench.report.addresses import view_address
from gsm_bench.scorefile import write
from tests.conftest import clip_scores
from tests.report.browser import show
from tests.report.numbers import equal_tables
from tests.submit.conftest import epic, save_epic  # noqa: F401


def test_verbs_and_nouns(chromium, save_epic, epic, gsmbench):  # noqa: F811
    dataset, split = "epic-100", "validation"
    for seed, name in enumerate(("one", "two")):
        save_epic(dataset, split, name, seed=seed)
    path = epic.root / "report.html"
    content = Bench(epic.root).report(out=path)
    assert "parts" in equal_tables(chromium, path, epic.root, gsmbench)
    with chromium.page(path, at="#clips") as page:
        for result in content.splits[0].results:
            for task, accuracy in result.evaluation.accuracy.items():
                assert show(page, view_address("clips", right=result.name, task=task)) == accuracy.hits[1]
                assert show(page, view_address("clips", right=result.name, task=task, k=5)) == accuracy.hits[5]


def test_printed_rows_stand_beside_measured_ones(chromium, workspace, gsmbench):
    rng = np.random.default_rng(0)
    data = workspace.data / "something-v1"
    data.mkdir(parents=True)
    names = [f"Doing thing {number:03d}" for number in range(174)]
    labels = rng.integers(0, 174, 50)
    (data / "category.txt").write_text("\n".join(names) + "\n")
    (data / "val_videofolder.txt").write_text("".join(f"{row} 30 {label}\n" for row, label in enumerate(labels)))
    for number, (model, frames) in enumerate((("inv3_8f", 8), ("inv3_12f", 12))):
        scores = rng.normal(size=(50, 2, 174))
        scores[np.arange(50), :, labels] += 2 + number
        content = clip_scores(
            scores, [str(row) for row in range(50)], model=model, dataset="something-v1", split="validation",
            sampling={"frames": frames}, params=22_000_000, macs_paper_per_view=10**9 * frames,
        )  # fmt: skip
        write(workspace.score_path("something-v1", "validation", model), content)
    path = workspace.root / "report.html"
    content = Bench(workspace.root).report(out=path)
    assert [result.name for result in content.splits[0].results if result.members] == ["En1"]
    assert {"table 3", "table 4", "search"} <= set(equal_tables(chromium, path, workspace.root, gsmbench))
    with chromium.page(path) as page:
        sources = page.locator("table[data-table='table 3'] td[data-key=source]").all_text_contents()
    assert {"printed", "measured"} <= set(sources)
