"""The report in a real browser: its numbers are those of the command line, and every part can be reached."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gsm_bench import Bench
from gsm_bench.tables.render import cell, with_even_intervals
from tests.report.browser import COMPLETE, count_of, show
from tests.report.numbers import equal_tables, printed

MAIN = "main:not([hidden])"
RESULTS = ("shapes_En3", "shapes_8f@2", "shapes_tsn_8f@2")


@pytest.fixture(scope="module")
def truth(demo_workspace):
    """Per result: ranks from 1, best class and its probability, labels and ids, from the library."""
    frame = Bench(demo_workspace).per_video(*RESULTS, dataset="shapes", split="val")
    return {name: frame[frame["model"] == name].reset_index(drop=True) for name in RESULTS}


def test_every_number_of_every_table_is_the_command_lines(chromium, demo_report, demo_workspace, gsmbench):
    names = equal_tables(chromium, demo_report, demo_workspace, gsmbench)
    assert {"table rows", "table 4.shapes", "search", "members", "calibration", "reliability", "parts"} <= set(names)


def test_classes_and_confusions_are_the_command_lines(chromium, demo_report, demo_workspace):
    path = demo_workspace / "scores/shapes/val/shapes_8f.h5"
    result = Bench(demo_workspace).evaluate(path, per_class=True, confusions=True)
    with chromium.page(demo_report, at="#classes?a=shapes_8f@2", wait=COMPLETE) as page:
        for section, name in (("classes", "per-class"), ("confusion", "confusions")):
            show(page, "#confusion?by=shapes_8f@2")
            table = with_even_intervals(result.table(name))
            cells = page.locator(f"{MAIN} section[data-panel={section}] tbody tr").all()
            keys = page.locator(f"{MAIN} section[data-panel={section}] th").evaluate_all(
                "all => all.map(one => one.dataset.key)"
            )
            columns = [next(column for column in table.columns if column.key == key) for key in keys]
            shown = [[one.strip() for one in row.locator("td").all_text_contents()] for row in cells]
            assert shown == [[cell(row, column, tied=False) for column in columns] for row in table.rows]
        for pair in result.table("confusions").rows[:4]:
            cell_of = page.locator(f"{MAIN} section[data-panel=confusion] tbody tr", has_text=pair["true"]).filter(
                has_text=pair["predicted"]
            )
            links = cell_of.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
            assert [show(page, link) for link in links].count(pair["videos"]) >= 1


def test_numbers_open_their_videos(chromium, demo_report, demo_workspace, gsmbench):
    with chromium.page(demo_report) as page:
        table = page.locator(f"{MAIN} table").first
        command = table.get_attribute("data-command")
        rows = printed(demo_workspace, gsmbench, command)["table rows"]["rows"]
        links = [
            row.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
            for row in table.locator("tbody tr").all()
        ]
        assert [len(one) for one in links] == [2] * len(rows)
        for (top1, top5), row in zip(links, rows, strict=True):
            assert show(page, top1) == row["hits1"]
            assert show(page, top5) == row["hits5"]


def test_bins_of_reliability_open_as_many_videos_as_they_hold(chromium, demo_report):
    with chromium.page(demo_report) as page:
        discs = page.locator(f"{MAIN} a.bin").evaluate_all(
            "all => all.map(a => [a.getAttribute('href'), a.getAttribute('aria-label')])"
        )
        assert len(discs) > 20
        for address, words in discs:
            assert show(page, address) == int(re.search(r": ([\d,]+) videos", words)[1].replace(",", "")), words


def test_filters_show_what_the_library_says(chromium, demo_report, truth):
    first, second, third = (truth[name] for name in RESULTS)
    right, other = first["rank"] == 1, second["rank"] == 1
    probability = (1000 * first["p1"]).round().astype(int)
    label, best = first["label"].astype(str), second["top1"].astype(str)
    expected = {
        f"#clips?right={RESULTS[0]}": right,
        f"#clips?wrong={RESULTS[0]}": ~right,
        f"#clips?right={RESULTS[0]}&wrong={RESULTS[1]}": right & ~other,
        f"#clips?right={RESULTS[0]}&right={RESULTS[1]}&wrong={RESULTS[2]}": right & other & (third["rank"] != 1),
        f"#clips?wrong={RESULTS[2]}&k=2": third["rank"] > 2,
        "#clips?class=moving left": label == "moving left",
        f"#clips?class=turning clockwise&predicted=turning anticlockwise&by={RESULTS[1]}":
            (label == "turning clockwise") & (best == "turning anticlockwise"),
        f"#clips?by={RESULTS[0]}&from=50&to=90": (probability >= 500) & (probability <= 900),
        "#clips?q=moving": label.str.contains("moving"),
        "#clips?q=20001": first["id"].astype(str).str.contains("20001"),
        "#clips?q=nothing like it": label == "",
    }  # fmt: skip
    with chromium.page(demo_report) as page:
        for address, rows in expected.items():
            assert show(page, address) == int(rows.sum()), address
            shown = page.locator(f"{MAIN} .row .id").all_text_contents()[:5]
            assert shown == first["id"].astype(str)[np.flatnonzero(rows)[: len(shown)]].tolist()


def test_the_form_sets_the_same_filters(chromium, demo_report, truth):
    right, other = (truth[name]["rank"] == 1 for name in RESULTS[:2])
    with chromium.page(demo_report, at="#clips") as page:
        page.locator(f"{MAIN} .card").first.wait_for()
        form = page.locator(f"{MAIN} .filters")
        field = lambda name, role="combobox": form.get_by_role(role, name=name, exact=True)  # noqa: E731
        field("Right by").select_option(RESULTS[0])
        field("Wrong by").select_option(RESULTS[1])
        assert count_of(page) == int((right & ~other).sum())
        page.get_by_role("button", name="Swap right and wrong").click()
        assert count_of(page) == int((other & ~right).sum())
        page.get_by_role("button", name=f"Remove: right by {RESULTS[1]}").click()
        assert count_of(page) == int((~right).sum())
        field("Order").select_option("unsure")
        field("Class").select_option("turning anticlockwise")
        field("Confidence from %", "spinbutton").fill("50")
        field("Confidence from %", "spinbutton").press("Tab")
        field("Right by at most").select_option("3")
        field("Search", "searchbox").fill("turn")
        address = page.evaluate("location.hash")
        listed = page.locator(f"{MAIN} .row .id").all_text_contents()
    with chromium.page(demo_report, at=address) as again:
        assert again.locator(f"{MAIN} .row .id").all_text_contents() == listed
        again.get_by_role("button", name="Clear all").click()
        assert count_of(again) == len(right)


SET_AT_ONCE = """values => {
  for (const [label, value] of values) {
    const menu = [...document.querySelectorAll("main:not([hidden]) .filters label")].find(one => one.textContent.startsWith(label))
      .querySelector("select");
    menu.value = value;
    menu.dispatchEvent(new Event("change", { bubbles: true }));
  }
}"""


def test_filters_set_while_predictions_are_read_are_all_kept(chromium, demo_report, truth):
    fields = [["Order", "unsure"], ["Class", "turning anticlockwise"], ["Right by", RESULTS[0]]]
    with chromium.page(demo_report, at="#clips") as page:
        page.evaluate(SET_AT_ONCE, fields)
        page.wait_for_selector(f"{MAIN} .chip >> nth=1")
        frame = truth[RESULTS[0]]
        chosen = frame[(frame["rank"] == 1) & (frame["label"] == "turning anticlockwise")]
        assert count_of(page) == len(chosen)
        assert "sort=unsure" in page.evaluate("location.hash")
        first = page.locator(f"{MAIN} .row .id").first.text_content()
        assert first == str(chosen.sort_values("p1", kind="stable")["id"].iloc[0])


def test_predictions_of_a_video(chromium, demo_report, truth):
    frame = truth[RESULTS[1]]
    row = frame[frame["rank"] > 1].iloc[0]
    with chromium.page(demo_report, at=f"#clips?by={RESULTS[1]}&video={row['id']}") as page:
        card = page.locator(f"{MAIN} .card").first
        card.wait_for()
        assert card.locator("h5").inner_text().split()[0] == RESULTS[1]
        assert card.locator(".name").all_text_contents() == [row[f"top{k}"] for k in range(1, 6)]
        assert card.locator(".value").all_text_contents() == [
            f"{np.round(1000 * row[f'p{k}']) / 10:.1f} %" for k in range(1, 6)
        ]
        assert "wrong" in card.inner_text()


def test_headings_sort(chromium, demo_report):
    with chromium.page(demo_report) as page:
        table = page.locator(f"{MAIN} table").first
        before = table.locator("tbody tr").all_text_contents()
        values = "all => all.map(one => Number(one.dataset.raw))"
        for direction in (-1, 1):
            table.get_by_role("button", name="GFLOPs").click()
            costs = table.locator("td[data-key=macs_paper]").evaluate_all(values)
            assert costs == sorted(costs, key=lambda cost, sign=direction: sign * cost)
        table.get_by_role("button", name="GFLOPs").click()
        assert table.locator("tbody tr").all_text_contents() == before


@pytest.mark.parametrize(
    ("scheme", "split"), [("light", "shapes/val"), ("dark", "shapes/val"), ("light", "shapes-actions/val")]
)
def test_no_barrier_that_axe_knows(chromium, demo_report, scheme, split):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"color_scheme": scheme, "bypass_csp": True}  # the policy keeps other scripts out, axe too
    with chromium.page(demo_report, at=f"#clips?split={split}", wait=COMPLETE, **options) as page:
        page.locator(f"{MAIN} .card").first.wait_for()
        violations = axe.run(page).response["violations"]
    assert not [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in violations]


def test_a_phone_shows_it_without_scrolling_sideways(chromium, demo_report):
    with chromium.page(demo_report, wait=COMPLETE, viewport={"width": 360, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator(f"{MAIN} .list").bounding_box()["width"] > 300


FOCUSABLE = """() => [...document.querySelectorAll('a[href], button, select, input, summary, [tabindex="0"]')]
  .filter(one => !one.closest('[hidden]') && one.checkVisibility())"""


def test_the_keyboard_reaches_everything(chromium, demo_report):
    with chromium.page(demo_report, wait=COMPLETE) as page:
        page.locator(f"{MAIN} .card").first.wait_for()
        page.evaluate(f"() => ({FOCUSABLE})().forEach((one, at) => one.dataset.number = at)")
        count = page.evaluate(f"() => ({FOCUSABLE})().length")
        page.evaluate("""() => { window.reached = new Set(); window.laps = -1; let first = null;
          document.addEventListener('focusin', event => {
            first = first || event.target;
            if (event.target === first) window.laps += 1;
            if (event.target.dataset.number) window.reached.add(event.target.dataset.number); }); }""")
        for _ in range(10 * count):  # scrolled boxes and the page itself take presses of their own
            page.keyboard.press("Tab")
            if page.evaluate(f"window.reached.size === {count} || window.laps === 2"):
                break
        missed = page.evaluate(
            f"""() => ({FOCUSABLE})().filter(one => one.dataset.number && !window.reached.has(one.dataset.number))
              .map(one => one.outerHTML.slice(0, 120))"""
        )
        assert count > 150
        assert not missed


def test_shortcuts(chromium, demo_report):
    selected = f"{MAIN} .row[aria-selected=true] .id"
    with chromium.page(demo_report, at="#clips") as page:
        first = page.inner_text(selected)
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert page.inner_text(selected) != first
        page.keyboard.press("k")
        page.keyboard.press("k")
        assert page.inner_text(selected) == first
        page.keyboard.press("End")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"
        active = page.get_attribute(f"{MAIN} .list", "aria-activedescendant")
        assert page.get_attribute(f"[id='{active}']", "aria-posinset") == "560"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.className") == "video"
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.className") == "list"
        page.keyboard.press("/")
        page.keyboard.type("jk 200010")
        assert page.input_value(f"{MAIN} input[type=search]") == "jk 200010"
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert page.locator("dialog").get_by_text("next video").is_visible()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")


def test_the_matrix_is_read_with_arrow_keys(chromium, demo_report):
    with chromium.page(demo_report, at="#confusion?by=shapes_8f@2", wait=COMPLETE) as page:
        matrix = page.locator(f"{MAIN} canvas[role=application]")
        matrix.focus()
        words = page.locator(f"{MAIN} .cell")
        diagonal = words.inner_text()
        page.keyboard.press("ArrowRight")
        assert words.inner_text() != diagonal
        page.keyboard.press("ArrowLeft")
        assert words.inner_text() == diagonal
        count = int(re.search(r": (\d+) of", diagonal)[1])
        page.keyboard.press("Enter")
        page.wait_for_function("() => (document.documentElement.dataset.shown || '').startsWith('#clips')")
        assert count_of(page) == count


def test_prints_within_twenty_pages(chromium, demo_report):
    with chromium.page(demo_report, wait=COMPLETE) as page:
        pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 3 <= pages <= 20
