"""LaTeX: what is written, and that pdflatex sets it in two-column templates without an error or an overfull box."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from gsm_bench.files import file_sha256
from gsm_bench.tables.render import render, render_all
from gsm_bench.tables.render.latex_text import breakable, cell_text, escape
from gsm_bench.tables.table import Column, Table

needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
TEMPLATES = {
    "article": r"\documentclass[twocolumn,10pt]{article}",
    "ieee": r"\documentclass[conference]{IEEEtran}",
}
COLUMNS = (
    Column("label", "Model"),
    Column("frames", "Frames"),
    Column("params", "Params\n(M)", "mega"),
    Column("top1", "Top-1", "percent", "highest"),
    Column("top5", "Top-5", "percent", "highest"),
)


def row(label, frames, top1, top5, **more):
    return {"label": label, "frames": frames, "params": 22_210_000, "top1": top1, "top5": top5, **more}


TABLE = Table(
    "Ensembles & models of 100% of _v1_",
    COLUMNS,
    (
        (row("GSM", "8", 0.4901, 0.7699), row("GSM", "8x2", 0.5043, 0.0819, top1_tied=True)),
        (row("En3", "8x2+12x2", 0.5516, 0.8249, top1_low95=0.5425, top1_high95=0.5607),),
    ),
    ("A note about #1.", "Another_note."),
    "table 4",
)


def pdf(tmp_path, body, template="article"):
    """The log of pdflatex, run twice without stopping."""
    packages = r"\usepackage{booktabs,siunitx,threeparttable,graphicx}"
    text = f"{TEMPLATES[template]}\n{packages}\n\\begin{{document}}\nText.\n{body}\n\\clearpage\\end{{document}}\n"
    (tmp_path / "paper.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "paper.tex"]
    for _ in range(2):
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300, check=False)
    log = (tmp_path / "paper.log").read_text(encoding="utf-8", errors="replace")
    return ran.returncode, log


def sets(tmp_path, body, template="article"):
    status, log = pdf(tmp_path, body, template)
    errors = re.findall(r"^! .*(?:\n.*){3}", log, re.MULTILINE)
    assert not errors, errors[:3]
    boxes = re.findall(r"^Overfull .*(?:\n.*){2}", log, re.MULTILINE)
    assert not boxes, boxes[:3]
    assert not re.search("Float too large|too many unprocessed|undefined", log), log[-2000:]
    assert status == 0


def test_a_table_is_a_float_with_caption_label_and_notes():
    text = render(TABLE, "latex")
    assert text.startswith("% \\usepackage{booktabs,siunitx,threeparttable,graphicx}\n\n\\begin{table}[t]")
    assert r"\caption{Ensembles \& models of 100\% of \_v1\_}" in text
    assert r"\label{tab:table-4}" in text
    assert text.count(r"\midrule") == 2
    assert "|" not in text
    assert r"\item A note about \#1." in text
    assert [line for line in text.splitlines() if line.startswith("GSM")] == [
        r"GSM & 8 & 22.21 & 49.01 & \underline{76.99}".replace(r"\underline{76.99}", r"{\underline{76.99}}") + r" \\",
        r"GSM & 8$\times$2 & 22.21 & {\underline{50.43}\rlap{$^{\approx}$}\phantom{\,{\mdseries\scriptsize $\pm$0.9}}} & 8.19 \\",
    ]
    (best,) = [line for line in text.splitlines() if line.startswith("En3")]
    assert best == (
        r"En3 & 8$\times$2+12$\times$2 & 22.21 & \bfseries 55.16{\,{\mdseries\scriptsize $\pm$0.9}} & \bfseries 82.49 \\"
    )


def test_marks_are_chosen():
    plain = render(TABLE, "latex", marks=())
    assert not re.search(r"bfseries|underline|approx", plain)
    only = render(TABLE, "latex", marks=("best",))
    assert "bfseries" in only
    assert not re.search(r"underline|approx", only)


def test_score_files_are_named_with_their_content(tmp_path):
    path = tmp_path / "x%y.h5"
    path.write_bytes(b"scores")
    table = Table("", COLUMNS, ((row("a", "8", 0.5, 0.6, file=str(path)), row("b", "8", 0.4, 0.6, file="gone.h5")),))
    lines = render(table, "latex").splitlines()
    (at,) = [at for at, line in enumerate(lines) if line.startswith("a &")]
    assert lines[at + 1] == f"% {path} sha256 {file_sha256(path)}"
    assert not any("gone.h5" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a&b_c%d#e$f{g}h", r"a\&b\_c\%d\#e\$f\{g\}h"),
        ("\\x^y~z", r"\textbackslash{}x\textasciicircum{}y\textasciitilde{}z"),
        ("[x] *", "{}[x] *"),
        ("a--b''c", "a-{}-b'{}'c"),
        ("café ñ ü ç ï", r"caf\'{e} \~{n} \"{u} \c{c} \"{\i}"),
        ("歩", "{[}U+6B69{]}"),
        ("\u03b1 → β", r"$\alpha$ $\rightarrow$ $\beta$"),
        ("a\nb\x1b", r"a b\textbackslash{}u001b"),
    ],
)
def test_escaped_texts(text, expected):
    assert escape(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8x2", r"8$\times$2"),
        ("8x2+12x2+16+24", r"8$\times$2+12$\times$2+16+24"),
        ("66.5x30", r"66.5$\times$30"),
        ("113.4*", "113.4*"),
        ("box2", "box2"),
        ("reversed 8x2", r"reversed 8$\times$2"),
        ("NA", "NA"),
    ],
)
def test_frames_and_costs(text, expected):
    assert cell_text(text) == expected


def test_long_words_may_break():
    assert breakable("short [words]", 12) == "short [words]"
    assert breakable("[words]", 12) == "{}[words]"
    assert breakable("a" * 20, 12).count(r"\allowbreak") == 19


def hostile_names(count):
    rng = np.random.default_rng(0)
    signs = [*"&%$#_{}~^\\<>|\"'`-=[]()*@!?/+,;:. éßŁő歩ж→≈😀\u202e\x1b"]
    words = ["Pretending", "to", "put", "[something]", "behind", "x" * 40, "\\input{x}", "$$", "%", "--", "#1"]
    for at in range(count):
        size = int(rng.integers(1, 12))
        parts = [str(rng.choice(words)) if rng.random() < 0.5 else "".join(rng.choice(signs, 5)) for _ in range(size)]
        yield f"{at} {' '.join(parts)}" if at % 3 else "".join(parts)


@needs_pdflatex
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_thousand_hostile_class_names(tmp_path, template):
    names = list(hostile_names(1000))
    columns = (
        Column("class", "Class"),
        Column("videos", "Videos", "count"),
        Column("top1", "Top-1", "percent"),
        Column("confused", "Most often confused with"),
    )
    rows = tuple(
        {
            "class": name,
            "videos": at,
            "top1": at / 1000,
            "top1_low95": at / 1200,
            "top1_high95": at / 990,
            "confused": other,
        }
        for at, (name, other) in enumerate(zip(names, reversed(names), strict=True))
    )
    sets(tmp_path, render(Table(names[1], columns, (rows,), tuple(names[:3]), names[2]), "latex"), template)


@needs_pdflatex
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tables_of_the_paper(workspace, tmp_path, template):
    from gsm_bench.api.bench import Bench

    bench = Bench(workspace.root)
    tables = [bench.table(number, partial=True).table() for number in range(1, 7)]
    sets(tmp_path, render_all([*tables, bench.table().table(), TABLE], "latex"), template)


@needs_pdflatex
def test_wide_tables(tmp_path):
    texts = (*(Column(f"t{at}", title) for at, title in enumerate(["Split", "Backbone", "Pretraining", "Source"])),)
    names = {"t0": "something-v1/validation", "t1": "BN-Inception/4 + ResNet-18", "t2": "ImageNet", "t3": "measured"}
    more = {"top1_low95": 0.97, "top1_high95": 1.0, "top5_low95": 0.97, "top5_high95": 1.0, "top1_tied": True}
    rows = tuple(
        row(f"BN-Inception + {at} GSM (baseline)", "8x2+12x2+16+24", 0.99, 0.99, **names, **more) for at in range(9)
    )
    sets(tmp_path, render(Table("Wide", (*COLUMNS, *texts), (rows,)), "latex"))
