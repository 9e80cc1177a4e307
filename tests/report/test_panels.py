"""Frames, playground and cascade in a real browser: their figures are those of the library."""

import re
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from gsm_bench import Bench
from gsm_bench.metrics.topk import label_ranks
from gsm_bench.report.cascade import first_thresholds
from gsm_bench.report.playground import distances, quantised
from gsm_bench.sampling import indices_at
from gsm_bench.scorefile import write
from gsm_bench.selection.cascade import Setting, Stages, simulate
from gsm_bench.workspace import Workspace
from tests.conftest import TOY_MANIFEST, clip_scores
from tests.report.browser import COMPLETE

HOSTILE = ("</script><img src=x onerror=alert(1)>", "a\"'`b", "\u202egnp.exe", "dog & <b>", "elk")
ENSEMBLE = '\n[ensembles.toy_both]\nmembers = [{ model = "toy_4f", clips = 2 }, { model = "toy_bninc", clips = 1 }]\n'


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Two models and their ensemble on 60 videos of hostile classes; one frame is damaged, one video has none."""
    workspace = Workspace(tmp_path_factory.mktemp("panels"))
    (workspace.root / "manifests").mkdir()
    (workspace.root / "manifests" / "toy.toml").write_text(TOY_MANIFEST + ENSEMBLE)
    data = workspace.data / "toy"
    data.mkdir(parents=True)
    rng = np.random.default_rng(5)
    labels, lengths = rng.integers(0, 5, 60), rng.integers(3, 30, 60)
    rows = [f"v{row} {frames} {label}" for row, (frames, label) in enumerate(zip(lengths, labels, strict=True))]
    (data / "val.txt").write_text("\n".join(rows) + "\n")
    (data / "classes.txt").write_text("\n".join(HOSTILE) + "\n")
    for name, noise in (("toy_4f", 1.2), ("toy_bninc", 2)):
        scores = 2 * np.eye(5)[labels][:, None] + rng.normal(0, noise, (60, 2, 5))
        place = {"model": name, "dataset": "toy", "split": "val", "sampling": {"frames": 4}, "params": 10}
        write(workspace.score_path("toy", "val", name), clip_scores(scores, macs_paper_per_view=10**9, **place))
    for row, frames in enumerate(lengths[:-1]):
        folder = data / "frames" / f"v{row}"
        folder.mkdir(parents=True)
        for number in range(1, int(frames) + 1):
            Image.new("RGB", (40, 30), (8 * number, 0, 90)).save(folder / f"{number:05d}.jpg")
    (data / "frames" / "v3" / "00001.jpg").write_bytes(b"\xff\xd8 no picture")
    return workspace


@pytest.fixture(scope="module")
def frames(stored):
    """The frames of the report that is written: of 40 videos inside, of the others beside it."""
    content = Bench(stored.root).report(out=stored.reports / "report.html", thumbnails=40, all_clips=True)
    return content.splits[0].frames


@pytest.fixture(scope="module")
def report(frames, stored):
    return stored.reports / "report.html"


@pytest.fixture(scope="module")
def script(chromium):
    """Runs scripts of the page with an expression at the end, on a blank page."""
    page = chromium.engine.new_page()

    def run(names, expression, values=None):
        text = "\n".join(files("gsm_bench.report").joinpath("page", f"core/{name}.js").read_text() for name in names)
        return page.evaluate(f"(values) => {{ {text}\n return {expression}; }}", values)

    yield run
    page.close()


def test_scripts_sample_the_frames_of_the_library(script):
    lengths, frames, offsets = [*range(1, 120), 1013], (1, 8, 12, 16, 24), (0.0, 0.5, 1 / 3)
    values = [[count, own, offset] for count in lengths for own in frames for offset in offsets]
    numbers = script(["sampling"], "values.map((one) => sampling.numbers(...one))", values)
    assert numbers == [indices_at(*one).tolist() for one in values]


def test_scripts_take_listed_frames_of_other_samplings(script):
    clips = [
        {"frames": 2, "offset": 0.5}, {"frames": 2, "offset": None, "column": 0}, {"frames": 1, "offset": None, "column": 2}
    ]  # fmt: skip
    taken = script(
        ["sampling"],
        """(() => {
          const listed = Uint8Array.from([1, 2, 3, 7, 8, 9]);
          listed.shape = [2, 3];
          const taken = sampling.taken(40, values, { lengths: Uint32Array.from([30, 40]), listed });
          return [taken, sampling.union(taken)];
        })()""",
        clips,
    )
    assert taken == [[[11, 31], [7, 8], [9]], [7, 8, 9, 11, 31]]


@pytest.mark.parametrize("probabilities", [False, True])
def test_scripts_fuse_as_numpy_does(script, probabilities):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 9, 200)
    codes = [quantised(3 * np.eye(9)[labels] + rng.normal(0, 2, (200, 9)), 256) for _ in range(3)]
    members = [{"layers": [0, 1], "weight": 1.5, "temperature": 1}, {"layers": [2], "weight": 0.5, "temperature": 2}]
    scored = np.ones((3, 200), int)
    scored[2, :9] = 0
    answer = script(
        ["fusion"],
        """(() => {
          const fuser = fusion.create(values.codes.map((one) => Uint8Array.from(one)), Uint8Array.from(values.scored),
            { videos: 200, classes: 9, levels: 256, deepest: 20 });
          const total = fuser.total();
          fuser.sum(total, values.members, values.probabilities);
          const rows = fuser.countedRows([0, 1, 2], values.labels, 255);
          return [...fuser.hits(total, values.labels, rows), rows.length, ...total];
        })()""",
        {"codes": [one.ravel().tolist() for one in codes], "scored": scored.ravel().tolist(), "members": members,
         "labels": labels.tolist(), "probabilities": probabilities},
    )  # fmt: skip
    total = np.zeros((200, 9))
    for member in members:
        for layer in member["layers"]:
            term = -distances(256)[codes[layer]] / member["temperature"]
            if probabilities:
                term = np.exp(term) / np.exp(term).sum(axis=1, keepdims=True)
            total += member["weight"] / len(member["layers"]) * term
    assert np.allclose(np.array(answer[3:]).reshape(200, 9), total, rtol=1e-5, atol=1e-6)
    ranks = label_ranks(np.array(answer[3:]).reshape(200, 9)[9:], labels[9:])
    assert answer[:3] == [(ranks < 1).sum(), (ranks < 5).sum(), 191]


def test_labels_without_a_column_count_as_wrong(script):
    answer = script(
        ["fusion"],
        """(() => {
          const fuser = fusion.create([Uint8Array.from([9, 0, 0, 9, 9, 0, 9, 0])], new Uint8Array(4).fill(1),
            { videos: 4, classes: 2, levels: 256, deepest: 20 });
          const labels = fusion.labelsOf(Uint8Array.from([0, 1, 255, 255]), Uint8Array.from([255, 255, 255, 255, 0, 0, 2, 255]), 2);
          const total = fuser.total();
          fuser.sum(total, [{ layers: [0], weight: 1, temperature: 1 }], false);
          const rows = fuser.countedRows([0], labels, 65535);
          return { labels: [...labels], rows: [...rows], hits: fuser.hits(total, labels, rows) };
        })()""",
    )
    assert answer["labels"] == [0, 1, 2, 65535]
    assert answer["rows"] == [0, 1, 2]
    assert answer["hits"][1] == 2  # of three that count, two have a column


def test_scripts_simulate_every_threshold(script):
    rng = np.random.default_rng(4)
    levels, ranks = rng.integers(0, 21, (3, 90)) / 20, rng.integers(0, 8, (3, 90))
    grid = np.linspace(0, 1, 41)
    stages = Stages(ranks, {"margin": levels}, np.array([1.0, 2.0, 4.0]), np.arange(90))
    values = {"places": first_thresholds(levels[:-1], grid).ravel().tolist(), "ranks": ranks.ravel().tolist()}
    curve = script(
        ["stages"],
        """(() => {
          const { top1, top5, reach } = stages.curve(values.places, values.ranks, { members: 3, videos: 90, steps: 41 });
          return [[...top1], [...top5], ...reach.map((one) => [...one])];
        })()""",
        values,
    )
    for step, threshold in enumerate(grid):
        run = simulate(stages, Setting("margin", (threshold, threshold)))
        assert [one[step] for one in curve[:2]] == [(run.ranks < k).sum() for k in (1, 5)]
        assert [one[step] / 90 for one in curve[2:]] == run.shares(3)


def column(page, section, key):
    """Raw numbers of a column of a section's table."""
    cells = page.query_selector_all(f"[data-panel={section}] tbody [data-key={key}]")
    return [float(cell.get_attribute("data-raw") or "nan") for cell in cells]


def test_the_playground_stands_beside_the_library(chromium, report, stored):
    table = Bench(stored.root).table(None, rows=["toy_4f", "toy_4f@2", "toy_bninc", "toy_both"])
    with chromium.page(report, at="#playground") as page:
        page.wait_for_selector(".moved:has-text('moves top-1')")
        names = page.locator("[data-panel=playground] tbody [data-key=name]").all_inner_texts()
        library, own = column(page, "playground", "exact1"), column(page, "playground", "page1")
        assert {"toy_4f", "toy_4f@2", "toy_bninc", "toy_both"} <= set(names)
        assert np.abs(np.array(library) - own).max() <= 100 / 60 + 1e-9
        assert float(re.search(r"at most ([\d.]+) points", page.inner_text(".moved"))[1]) == pytest.approx(
            max(*np.abs(np.array(library) - own), *np.abs(np.array(column(page, "playground", "moved5")))), abs=0.005
        )
        evaluations = {"toy_both": 3, "toy_4f": 0, "toy_bninc": 2}
        for name, at in evaluations.items():
            accuracy = table.evaluations[at].accuracy["action"]
            assert library[names.index(name)] == pytest.approx(100 * accuracy.top(1), abs=1e-9)
        shown = float(page.inner_text(".answer .top1").removesuffix(" %"))
        assert shown == pytest.approx(own[names.index("toy_both")], abs=0.005)


def test_weights_ticks_and_the_address(chromium, report):
    with chromium.page(report, at="#playground?fused=0:0.5,2:2&space=probabilities") as page:
        page.wait_for_selector(".answer .top1")
        ticked = page.locator(".mix input[type=checkbox]")
        states = [ticked.nth(at).is_checked() for at in range(ticked.count())]
        assert states == [True, False, True, False]
        page.wait_for_selector(".answer:has-text('0.200')")
        page.locator(".mix .member").nth(2).locator("input[type=checkbox]").uncheck()
        page.wait_for_selector(".answer:has-text('1.000')")
        slider = page.locator(".mix input[type=range]").nth(0)
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(".mix .member >> nth=0 >> output:text-is('0.55')")
        page.wait_for_function("() => location.hash.includes('0%3A0.55')")
        page.locator(".mix .member").nth(0).locator("input[type=checkbox]").uncheck()
        page.wait_for_selector(".answer:has-text('Tick a member')")


def test_the_cascade_gives_the_librarys_points_at_its_thresholds(chromium, report, stored):
    result = Bench(stored.root).cascade("toy_both", dataset="toy", split="val").cascade
    with chromium.page(report, at="#cascade", wait=COMPLETE) as page:
        for block in result.cascades:
            for row in block[:3]:
                threshold = row.setting.thresholds[0]
                page.evaluate(f"location.hash = '#cascade?rule={row.setting.rule}&threshold={threshold!r}'")
                page.wait_for_selector(f"[data-panel=cascade] .threshold:text-is('{threshold:.4f}')")
                figures = [page.inner_text(f"[data-panel=cascade] dd.{key}") for key in ("top1", "top5", "cost")]
                exact = [100 * row.accuracy[1], 100 * row.accuracy[5], row.mean_macs / 1e9]
                assert figures == [f"{exact[0]:.2f} %", f"{exact[1]:.2f} %", f"{exact[2]:.2f}"]
        page.locator("[data-panel=cascade] input[type=range]").focus()
        page.keyboard.press("End")
        page.wait_for_selector("[data-panel=cascade] .threshold:text-is('1.0000')")
        page.locator("[data-panel=cascade] svg").first.scroll_into_view_if_needed()
        chart = page.locator("[data-panel=cascade] svg").first.bounding_box()
        page.mouse.move(chart["x"] + 0.95 * chart["width"], chart["y"] + 50)
        page.mouse.down()
        page.mouse.move(chart["x"] + 60, chart["y"] + 50)
        page.mouse.up()
        assert float(page.inner_text("[data-panel=cascade] .cost")) < 2.5


def wait_for_player(page):
    """A video is shown for good when its predictions are; before them its frames may be shown already."""
    page.wait_for_selector(".card")
    page.wait_for_selector(".player .screen")


def numbers_of(page):
    return int(re.match(r"Frame (\d+) of", page.inner_text(".player .status"))[1])


def test_frames_are_stepped_and_played_by_keys(chromium, report, frames):
    row = max(frames.inside, key=lambda one: frames.num_frames[one])
    with chromium.page(report, at=f"#clips?video=v{row}") as page:
        wait_for_player(page)
        numbers = [numbers_of(page)]
        for key in (".", ".", ","):
            page.keyboard.press(key)
            numbers.append(numbers_of(page))
        assert numbers[0] == 1
        assert numbers[2] > numbers[1] == numbers[3] > 1
        page.keyboard.press("p")
        page.wait_for_selector(".player button[aria-pressed=true]:has-text('Pause')")
        page.wait_for_selector(".player .status:not(:has-text('Frame 1 '))")
        page.keyboard.press("b")
        page.keyboard.press(",")
        assert page.locator(".player button[aria-pressed=true]").count() == 0
        page.select_option(".player select", "1")
        page.keyboard.press(".")
        page.keyboard.press(".")
        pixel = "[...document.querySelector('.player .screen').getContext('2d').getImageData(40, 30, 1, 1).data][0]"
        assert abs(page.evaluate(pixel) - 8 * numbers_of(page)) < 14


def test_every_video_has_its_frames_or_a_reason(chromium, report, stored):
    with chromium.page(report, at="#clips?video=v3", beside="report_frames") as page:
        page.wait_for_selector(".player .status:has-text('cannot be decoded')")
        page.evaluate("location.hash = '#clips?video=v59'")
        page.wait_for_selector(".placeholder:has-text(\"video 'v59' has no frames\")")
        for video in range(0, 59, 6):
            page.evaluate(f"location.hash = '#clips?video=v{video}'")
            page.wait_for_selector(f".video h3:text-is('v{video}')")
            page.wait_for_selector(".player .status")
            assert page.locator(".placeholder").count() == 0
        page.wait_for_selector(".axis canvas[aria-label^='4 frames'] >> nth=1")
        page.wait_for_selector(".steps li >> nth=1")
        assert page.locator(".axis canvas[aria-label^='4 frames']").count() == 2
        assert page.locator(".steps li").count() == 2


def test_hostile_names_stay_text_and_a_phone_fits(chromium, report):
    options = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    with chromium.page(report, at="#playground", beside="report_frames", **options) as page:
        page.wait_for_selector(".answer .top1")
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


RECORD_PRESSED = """() => {
  window.pressed = [];
  const play = [...document.querySelectorAll(".player button[aria-pressed]")].at(-1);
  new MutationObserver(() => window.pressed.push(play.getAttribute("aria-pressed")))
    .observe(play, { attributes: true, attributeFilter: ["aria-pressed"] });
}"""


def test_reduced_motion_plays_once_and_stops(chromium, report):
    with chromium.page(report, at="#clips?video=v0", beside="report_frames", reduced_motion="reduce") as page:
        wait_for_player(page)
        page.evaluate(RECORD_PRESSED)
        page.locator(".player input[type=range]").focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("p")
        page.wait_for_function("() => window.pressed.join() === 'true,false'")
        assert page.input_value(".player input[type=range]") == page.get_attribute(".player input[type=range]", "max")
