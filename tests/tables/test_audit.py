"""The auditor: silent on tables that add up, and it finds what was planted."""

import re

import numpy as np
import pytest

from gsm_bench.api.bench import Bench
from gsm_bench.errors import DumpError
from gsm_bench.tables.audit.checks import audit
from gsm_bench.tables.audit.printed import members_of, role_of
from gsm_bench.tables.audit.read import read_tables

VIDEOS = 560
HEADINGS = ["Model", "Frames", "Params (M)", "GFLOPs", "Top-1", "Top-5"]
COST, PARAMS = 26.853, 22.214
ENSEMBLES = {"En1": "8+12", "En2": "8+12+16", "En3": "8+12+16+24", "En4": "8x2+12x2+16+24"}


def consistent(seed=0, per_frame=COST / 8, params=PARAMS):
    """Rows as texts: four networks, their two-clip rows, four ensembles; right counts out of 560."""
    rng = np.random.default_rng(seed)
    named = [("GSM", str(frames)) for frames in (8, 12, 16, 24)] + [
        ("GSM", f"{frames}x2") for frames in (8, 12, 16, 24)
    ]
    rows = []
    for name, frames in [*named, *((f"GSM {name}", text) for name, text in ENSEMBLES.items())]:
        members = members_of(frames)
        cost = sum(per_frame * number * views for number, views in members)
        right = int(rng.integers(200, 400))
        fifth = int(rng.integers(right, VIDEOS + 1))
        shares = [f"{100 * count / VIDEOS:.2f}" for count in (right, fifth)]
        rows.append([name, frames, f"{params * len(members):.2f}", f"{cost:.2f}", *shares])
    return rows


def csv_of(rows):
    return "\n".join(",".join(row) for row in [HEADINGS, *rows]) + "\n"


def latex_of(rows, bold=None):
    """Blocks of four rows; the best of a column bold unless `bold` names other rows by column."""
    lines = [" & ".join(HEADINGS) + r" \\", r"\midrule"]
    best = {at: max(range(len(rows)), key=lambda row: float(rows[row][at])) for at in (4, 5)} | (bold or {})
    for number, row in enumerate(rows):
        cells = [rf"\textbf{{{text}}}" if best.get(at) == number else text for at, text in enumerate(row)]
        lines.append(re.sub(r"(?<=\d)x(?=\d)", r"$\\times$", " & ".join(cells)) + r" \\")
        lines += [r"\midrule"] * (number % 4 == 3)
    return (
        "\\begin{table}\\begin{tabular}{ll rr rr}\\toprule\n"
        + "\n".join(lines)
        + "\n\\bottomrule\\end{tabular}\\end{table}"
    )


def faults(tmp_path, text, suffix=".csv", videos=VIDEOS):
    path = tmp_path / f"their{suffix}"
    path.write_text(text)
    return [(row["row"], row["fault"]) for row in audit(read_tables(path), videos).rows]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("suffix", [".csv", ".tex"])
def test_silent_on_a_table_that_adds_up(tmp_path, seed, suffix):
    rng = np.random.default_rng(seed)
    rows = consistent(seed, rng.uniform(1, 9), rng.uniform(5, 90))
    assert faults(tmp_path, csv_of(rows) if suffix == ".csv" else latex_of(rows), suffix) == []


PLANTS = {
    "cost of a single": (3, lambda row, rng: [*row[:3], f"{float(row[3]) * rng.choice([0.99, 1.01]):.2f}", *row[4:]], range(4), "cost"),
    "cost of two clips": (3, lambda row, rng: [*row[:3], f"{float(row[3]) + rng.choice([-0.5, 0.3]):.2f}", *row[4:]], range(4, 8), "cost"),
    "cost of an ensemble": (3, lambda row, rng: [*row[:3], f"{float(row[3]) + rng.choice([-0.1, 4.0]):.2f}", *row[4:]], range(8, 12), "cost"),
    "parameters": (2, lambda row, rng: [*row[:2], f"{float(row[2]) + rng.choice([-1, 0.2]):.2f}", *row[3:]], range(8, 12), "parameters"),
    "top-5 below": (5, lambda row, rng: [*row[:5], f"{100 * int(float(row[4]) * 5.6 - 20) / 560:.2f}"], range(12), "is below"),
    "no count": (4, lambda row, rng: [*row[:4], f"{float(row[4]) + rng.choice([-0.05, 0.07]):.2f}", row[5]], range(12), "no number of"),
    "above 100": (5, lambda row, rng: [*row[:5], "100.4"], range(12), "0 to 100"),
}  # fmt: skip


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("name", PLANTS)
def test_planted_faults(tmp_path, name, number):
    """35 faults, one in each table; each is named with its row, and no other row is accused of it."""
    _, change, places, words = PLANTS[name]
    rng, rows = np.random.default_rng(number), consistent(number)
    at = int(rng.choice(list(places)))
    rows[at] = change(rows[at], rng)
    found = faults(tmp_path, csv_of(rows))
    label = f"{rows[at][0]} {rows[at][1]}"
    assert [row for row, fault in found if words in fault] == [label], found
    assert {row for row, _ in found} == {label}


@pytest.mark.parametrize("number", range(5))
def test_one_name_for_two_rows(tmp_path, number):
    rows = consistent(number)
    rows[11][0] = rows[8 + number % 3][0]
    ((row, fault),) = faults(tmp_path, csv_of(rows))
    assert row == rows[11][0]
    assert "one name for 2 ensembles" in fault
    rows = consistent(number)
    rows.append([*rows[number][:4], rows[5][4], "100.00"])
    ((row, fault),) = faults(tmp_path, csv_of(rows))
    assert (row, fault) == (f"GSM {rows[number][1]}", "2 rows have this name")


@pytest.mark.parametrize("number", range(5))
def test_a_bold_cell_that_is_not_the_best(tmp_path, number):
    rows = consistent(number)
    order = sorted(range(12), key=lambda row: float(rows[row][4]))
    ((row, fault),) = faults(tmp_path, latex_of(rows, {4: order[number]}), ".tex")
    assert row == f"{rows[order[number]][0]} {rows[order[number]][1]}"
    assert "is bold, and" in fault


def test_bold_in_each_block_is_no_fault(tmp_path):
    rows = consistent()
    text = latex_of(rows, {4: -1, 5: -1})
    for start in (0, 4, 8):
        best = max(range(start, start + 4), key=lambda row: float(rows[row][4]))
        line = re.sub(r"(?<=\d)x(?=\d)", r"$\\times$", " & ".join(rows[best]))
        parts = line.split(" & ")
        bold = " & ".join([*parts[:4], rf"\textbf{{{parts[4]}}}", parts[5]])
        assert line in text
        text = text.replace(line, bold)
    assert faults(tmp_path, text, ".tex") == []


def test_the_three_known_faults_of_the_paper(workspace):
    rows = Bench(workspace.root).audit("paper").rows
    texts = [(row["table"], row["row"], row["fault"]) for row in rows]
    assert len(texts) == 3
    cost, name, values = texts
    assert cost[:2] == ("table 4", "GSM InceptionV3 12")
    assert re.search(
        r"cost 40\.26: .* 40\.275; used by .*En1 8\+12, .*En2 .*En3 .*; 40\.26 used by .*8x2\+12x2\+16\+24$", cost[2]
    )
    assert name[0] == "table 4"
    assert "one name for 2 ensembles: 8+12+16+24, 8x2+12x2+16+24" in name[2]
    assert values[0] == "table 2, table 3"
    assert values[2] == "one model with two values: 17.25 and 17.52"


@pytest.mark.parametrize("number", ["1", "2", "3", "5", "6"])
def test_silent_on_the_other_tables(workspace, number):
    assert Bench(workspace.root).audit(number).rows == []


@pytest.mark.parametrize("form", ["csv", "json", "md", "latex", "html"])
def test_our_own_tables_are_read(workspace, toy_labels, save_scores, gsmbench, form):
    for name, wrong in (("x", 7), ("y", 20)):
        best = np.where(np.arange(60) < wrong, (toy_labels + 1) % 5, toy_labels)
        more = {"params": 22_214_123, "macs_paper_per_view": 26_853_123_456, "macs_bare_per_view": 1}
        save_scores(name, np.repeat(np.eye(5, dtype=np.float32)[best][:, None], 2, 1), provenance=more)
    arguments = ["table", "--rows", ",".join(f"scores/toy/val/{name}.h5{at}" for name in "xy" for at in ("", "@2"))]
    path = workspace.root / f"own.{'tex' if form == 'latex' else form}"
    path.write_text(gsmbench(*arguments, "--format", form).out)
    ran = gsmbench("table", "--audit", path, "--videos", "60")
    if form == "html":
        assert (ran.status, ran.out) == (1, "")
        assert "this file is no table" in ran.err
        return
    assert ran.status == 0, ran.out
    assert "0 faults in 4 rows of 1 table." in ran.out


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.csv", None), ("a.xlsx", b"x"), ("a.csv", b""), ("a.csv", b"\xff\xfe"), ("a.tex", b"no table"), ("a.json", b"[1]"), ("a.json", b"{")],
)  # fmt: skip
def test_files_that_hold_no_table(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DumpError):
        read_tables(tmp_path / name)


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("Top-1", "top1"), ("Top-5 (%)", "top5"), ("FLOPs (G)", "cost"), ("#Params", "params"), ("Frames", "frames"),
        ("Method", "text"), ("top1_low95", ""), ("S1 Verb", "percent"), ("ECE", "lowest"), ("Split", "context"),
    ],
)  # fmt: skip
def test_headings_say_what_a_column_is(heading, role):
    assert role_of(heading) == role


@pytest.mark.parametrize(
    ("text", "members"),
    [("8", [(8, 1)]), ("8x2+16", [(8, 2), (16, 1)]), ("16 x 3 x 10", [(16, 30)]), ("8\u00d72", [(8, 2)]), ("NA", None), ("a8", None)],
)  # fmt: skip
def test_frames_and_views_of_members(text, members):
    assert members_of(text) == members
