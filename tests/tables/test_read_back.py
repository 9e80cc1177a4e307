"""Six tables in six formats: each cell, read back, is the raw number within its rounding."""

import csv
import html.parser
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.api.bench import Bench
from gsm_bench.scorefile import write
from gsm_bench.tables.render import FORMATS, render
from gsm_bench.tables.render.cells import is_unknown
from tests.conftest import clip_scores

SCALES = {
    "percent": (100, 2),
    "points": (100, 2),
    "giga": (1e-9, 2),
    "mega": (1e-6, 2),
    "share": (1, 3),
    "count": (1, 0),
}
MODELS = {
    "something-v1/validation": ["tsn_bninc_8f", "tsn_bninc_16f", "bninc_8f", "bninc_16f", *(f"inv3_{f}f" for f in (8, 12, 16, 24))],
    "diving48/test": ["diving48_inv3_16f"],
}  # fmt: skip


@pytest.fixture
def bench(workspace):
    """Score files of every model of tables 1 to 5, of 60 videos whose labels are in the file."""
    opened, rng = Bench(workspace.root), np.random.default_rng(3)
    labels = rng.integers(0, 8, 60)
    for place, models in MODELS.items():
        dataset, split = place.split("/")
        for model in models:
            best = np.where(rng.random(60) < rng.uniform(0.1, 1), labels, (labels + 1) % 8)
            noise = rng.random((60, 2, 8))
            content = clip_scores(
                noise + 2 * np.eye(8)[best][:, None], model=model, dataset=dataset, split=split,
                sampling={"frames": opened.manifest.model(model).frames}, params=int(rng.integers(1e7, 3e7)),
                macs_paper_per_view=int(rng.integers(1e10, 9e10)),
            )  # fmt: skip
            path = workspace.score_path(dataset, split, model)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, replace(content, labels={"action": labels.astype(np.int32)}))
    return opened


def split_md(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    for line in lines:
        yield [re.sub(r"\\(.)", r"\1", part).replace("**", "") for part in re.split(r"(?<!\\)\|", line)[1:-1]]


class Cells(html.parser.HTMLParser):
    """Texts of the cells of a table's body, by row."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.inside = tag in ("td", "b", "u")

    def handle_data(self, data):
        if self.inside or (self.rows and self.rows[-1] and data.strip() and not data.startswith("\n")):
            self.rows[-1][-1] += data


def split_html(text):
    parser = Cells()
    parser.feed(text.partition("</table>")[0])
    return [row for row in parser.rows if row]


def split_latex(text):
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    for line in body.splitlines():
        if not line.endswith(r"\\"):
            continue
        line = line.removesuffix(r"\\")
        line = re.sub(r"\\rlap\{.*?\}\\phantom\{.*?\}+(?= |$)|\{\$\^\{\\approx\}\$.*?\}+(?= |$)", "", line)
        line = re.sub(r"\\(phantom|rlap)\{[^{}]*\}", "", line.replace(r"$\times$", "x"))
        line = re.sub(r"\{?\\,\{\\mdseries.*?\}+(?= |$)", "", line)
        yield [
            re.sub(r"\\(bfseries|underline|textbf)|\\allowbreak|[{}]|\\(?=[&%_#])", "", part)
            for part in re.split(r"(?<!\\)&", line)
        ]


def split_rich(text):
    lines = text.splitlines()
    (rule,) = [at for at, line in enumerate(lines) if set(line.strip()) == {"─"}][:1]
    for line in lines[rule + 1 :]:
        if line.startswith(("Printed", "Measured", "GFLOPs")):
            return
        if line.strip():
            yield re.split(r"  +", line.strip())


READERS = {"md": split_md, "html": split_html, "latex": split_latex, "rich": split_rich}


def check(cells, row, columns):
    assert len(cells) == len(columns), (cells, [column.title for column in columns])
    for text, column in zip(cells, columns, strict=True):
        value, shown = row.get(column.key), row.get(f"{column.key}_shown")
        text = text.strip().removeprefix("≈").strip()
        if shown is not None:
            assert text == shown
        elif is_unknown(value):
            assert text == "-"
        elif column.unit == "text":
            assert text == str(value)
        else:
            scale, digits = SCALES[column.unit]
            number = float(re.match(r"[+-]?[\d.,]+", text)[0].replace(",", ""))
            assert abs(number - value * scale) <= 0.5 * 10**-digits + 1e-9, (text, value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("number", range(1, 7))
def test_every_cell_is_the_raw_number(bench, number, form):
    table = bench.table(number, partial=True).table()
    assert number == 6 or all(row["top1"] is not None for row in table.rows)
    text = render(table, form, width=400)
    if form == "json":
        assert json.loads(text)["rows"] == json.loads(json.dumps(table.rows))
        return
    if form == "csv":
        for read, row in zip(csv.DictReader(io.StringIO(text)), table.rows, strict=True):
            for column in table.columns:
                value = row.get(column.key)
                assert read[column.key] == ("" if value is None else str(value))
        return
    lines = list(READERS[form](text))
    assert len(lines) == len(table.rows)
    for cells, row in zip(lines, table.rows, strict=True):
        check(cells, row, table.columns)


@pytest.mark.parametrize("number", range(1, 6))
def test_markdown_has_the_best_in_bold_and_two_lines_of_notes(bench, number):
    table = bench.table(number, partial=True).table()
    text = render(table, "md")
    bold = re.findall(r"\*\*([\d.]+)\*\*", text)
    assert f"{100 * max(row['top1'] for row in table.rows):.2f}" in bold
    below = text.rpartition("|\n")[2].strip().splitlines()
    assert len(below) <= 2
    assert all(any(note.split()[0] in line for line in below) for note in table.notes)
