"""Every kind of figure on Temporal Shapes: bytes, fonts, sizes, colours, overlaps."""

import re
import zlib

import numpy as np
import pytest

from gsm_bench.api.figures import RULES
from gsm_bench.errors import GsmBenchError
from gsm_bench.figures.style import PALETTES, SMALL_PT, FigureStyle, abbreviated, shortened
from tests.figures.conftest import KINDS, clipped, options, overlaps, texts_of


def grey(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_every_kind_is_here():
    assert KINDS.keys() == RULES.keys()


@pytest.mark.parametrize("theme", PALETTES)
def test_colours_differ_in_grey_print(theme):
    palette = PALETTES[theme]
    levels = sorted(grey(colour) for colour in (*palette.series, palette.paper))
    assert min(np.diff(levels)) >= 40
    assert abs(grey(palette.ink) - grey(palette.paper)) > 200
    steps = [grey(colour) for colour in palette.sequential]
    assert len(set(np.sign(np.diff(steps)))) == 1, "a darker share is a larger one, in grey too"


def test_series_have_a_marker_of_their_own():
    style = FigureStyle()
    looks = {(style.colour(at), style.marker(at), style.dashes(at)) for at in range(8)}
    assert len(looks) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes_twice_and_no_type_3_font(shapes, kind, tmp_path):
    files = {suffix: [] for suffix in (".svg", ".pdf", ".png")}
    for run in ("one", "two"):
        plot = shapes.figure(kind, *KINDS[kind], **options(kind))
        for suffix, contents in files.items():
            plot.save(tmp_path / f"{run}{suffix}")
            contents.append((tmp_path / f"{run}{suffix}").read_bytes())
    for suffix, (one, two) in files.items():
        assert one == two, suffix
    pdf = files[".pdf"][0]
    inflated = b"".join(_inflated(pdf))
    assert not re.search(rb"/Subtype\s*/Type3|/FontType\s+3", pdf + inflated)
    assert b"/Subtype /Type0" in pdf + inflated or b"/CIDFontType2" in pdf + inflated
    assert b"<dc:date" not in files[".svg"][0]


def _inflated(pdf: bytes):
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            yield zlib.decompress(stream)
        except zlib.error:
            continue


@pytest.mark.parametrize(("width", "theme"), [(3.25, "dark"), (6.875, "light")])
@pytest.mark.parametrize("kind", KINDS)
def test_text_is_legible_whole_and_apart(shapes, kind, width, theme):
    plot = shapes.figure(kind, *KINDS[kind], width_in=width, theme=theme, title="On $T$ Shapes_1", **options(kind))
    texts = texts_of(plot.figure)
    assert len(texts) > (2 if kind == "saliency" else 8)
    assert min(text.get_fontsize() for text in texts) >= SMALL_PT
    assert overlaps(plot.figure) == []
    assert clipped(plot.figure) == []
    assert plot.figure.get_figwidth() == pytest.approx(width)
    assert any(text.get_text() == "On $T$ Shapes_1" and not text.get_parse_math() for text in texts)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_the_commands(shapes, kind):
    rows = shapes.figure(kind, *KINDS[kind], **options(kind)).numbers.rows
    assert rows
    if kind == "complexity":
        table = {row["frames"]: row["top1"] for row in shapes.table("4", dataset="shapes").rows}
        assert rows[-1]["top1"] == table["8x2+12x2+16+24"]
        assert len(rows) == 14
    if kind == "improved":
        flips = shapes.compare(*KINDS[kind], most=8).table("classes").rows
        assert sorted(r["videos"] for r in rows) == sorted(r["videos"] for r in flips)
    if kind == "confusion":
        pairs = shapes.evaluate(*KINDS[kind], confusions=True).table("confusions").rows
        assert {(r["true"], r["predicted"], r["videos"]) for r in rows if r["true"] != r["predicted"]} == {
            (r["true"], r["predicted"], r["videos"]) for r in pairs
        }
    if kind == "per-class":
        classes = shapes.evaluate("shapes_8f", per_class=True).table("per-class").rows
        assert [(r["class"], r["top1"]) for r in rows[:14]] == [(r["class"], r["top1"]) for r in classes]
    if kind == "pareto":
        front = [r for r in shapes.search(list(KINDS[kind])).table().rows if r["front"] in ("GFLOPs", "both")]
        assert [(r["members"], r["top1"], r["held_out"]) for r in rows] == [
            (r["members"], r["top1"], r["held_out"]) for r in front
        ]
    if kind == "cascade":
        chosen = [
            r for r in shapes.cascade(",".join(KINDS[kind]), steps=20).table().rows if r["what"].startswith("chosen")
        ]
        assert [r["top1"] for r in rows if r["what"] == "chosen"] == [r["top1"] for r in chosen]
    if kind == "reliability":
        bins = shapes.calibrate(*KINDS[kind]).table("reliability").rows
        assert [(r["videos"], r["accuracy"]) for r in rows] == [(r["videos"], r["accuracy"]) for r in bins]
    if kind == "agreement":
        one, other = (shapes.per_video(name)["top1"].astype(str) for name in ("shapes_tsn_8f@2", "shapes_8f@2"))
        first = next(r for r in rows if (r["first"], r["second"]) == ("shapes_tsn_8f", "shapes_8f"))
        assert first["same"] in {float((one.to_numpy() == other.to_numpy()).mean()), _same_one_clip(shapes)}


def _same_one_clip(shapes) -> float:
    one, other = (shapes.per_video(name)["top1"].astype(str).to_numpy() for name in ("shapes_tsn_8f@1", "shapes_8f@1"))
    return float((one == other).mean())


def test_wrong_numbers_of_names_say_what_is_taken(shapes):
    with pytest.raises(GsmBenchError, match="takes two names; 1 given"):
        shapes.figure("improved", "shapes_8f")
    with pytest.raises(GsmBenchError, match="no figure 'nosuch'"):
        shapes.figure("nosuch")
    with pytest.raises(GsmBenchError, match=r"a width of 1 inch"):
        shapes.figure("confusion", "shapes_8f", width_in=1)


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("abc", 5, "abc"),
        ("a\nb", 5, "a b"),
        ("abcdefghij", 7, "abcd…ij"),
        ("abcdefghij", 1, "…"),
    ],
)
def test_shortened(text, most, short):
    assert shortened(text, most) == short


def test_abbreviated_keeps_what_tells_classes_apart():
    long = "Pretending to put something next to something"
    assert abbreviated(long, 60) == long
    assert abbreviated(long, 33) == "Pretending to put sth next to sth"
    assert len(abbreviated(long, 30)) <= 30
    assert abbreviated(long, 30) != abbreviated(long.replace("put", "move"), 30)
