"""Tables in files: csv, JSON and Markdown, and the tabulars of a LaTeX source."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsm_bench.errors import DumpError
from gsm_bench.tables.audit.printed import PrintedCell, PrintedRow, PrintedTable, scales_of
from gsm_bench.tables.table import Table

TABULAR = re.compile(r"\\begin\{(tabular[*xy]?|longtable)\}(.*?)\\end\{\1\}", re.DOTALL)
RULE = re.compile(r"\\(midrule|hline|cmidrule(\([lr]+\))?\{[^}]*\}|toprule|bottomrule|specialrule(\{[^}]*\})+)")
IGNORED = (
    "file", "files", "dataset", "split", "limit", "weight", "weights", "published_source", "gain_over", "clips_per_video",
)  # fmt: skip
"""Keys of raw rows that name no row and hold no result."""
LARGEST = 20_000_000
"""Bytes of a file that is read."""


def read_tables(path: Path) -> list[PrintedTable]:
    """The tables of a file, by its suffix: .csv, .json, .md, .tex.

    Raises:
        DumpError: the file is none of these, or holds no table.
    """
    if not path.is_file():
        raise DumpError("no such file", where=path, fix="name a .csv, .json, .md or .tex file")
    readers = {".csv": _csv, ".json": _json, ".md": _markdown, ".tex": _latex}
    if path.suffix not in readers or path.stat().st_size > LARGEST:
        raise DumpError(
            "this file is no table", where=path, fix="name a .csv, .json, .md or .tex file of at most 20 MB"
        )
    try:
        tables = [
            table for table in readers[path.suffix](path.read_bytes().decode("utf-8-sig"), path.stem) if table.rows
        ]
    except (UnicodeDecodeError, ValueError, KeyError, AttributeError, TypeError, csv.Error, RecursionError) as error:
        raise DumpError(f"this file cannot be read as a table: {error}", where=path, fix="check its format") from error
    if not tables:
        raise DumpError("this file holds no table", where=path, fix="a table has a line of headings and rows below")
    return tables


def table_of(table: Table, name: str) -> PrintedTable:
    """A table of ours, by its raw numbers, or what is shown in their place."""
    keys = list(dict.fromkeys([column.key for column in table.columns] + [key for row in table.rows for key in row]))
    return _raw(name, keys, table.blocks)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A raw row with its cost in GFLOPs, as printed where it is printed, and its parameters in millions."""
    macs, params = row.get("macs_paper"), row.get("params")
    cost = row.get("macs_paper_shown") or (float(macs) / 1e9 if macs else None)
    return {**row, "macs_paper": cost, "params": float(params) / 1e6 if params else None}


def _raw(name: str, keys: Sequence[str], blocks: Sequence[Sequence[Mapping[str, Any]]]) -> PrintedTable:
    """A table of raw values; of its texts only those that name a row."""
    keys = [key for key in keys if key not in IGNORED and not key.endswith("_shown")]
    blocks = [[_shown(row) for row in block] for block in blocks]
    rows = tuple(
        PrintedRow(tuple(PrintedCell("" if row.get(key) is None else str(row[key])) for key in keys), at)
        for at, block in enumerate(blocks)
        for row in block
    )
    return PrintedTable(name, tuple(keys), rows, scales_of(keys, rows))


def _csv(text: str, name: str) -> Iterator[PrintedTable]:
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    if lines and {"label", "macs_paper"} <= set(lines[0]):  # of ours
        yield _raw(name, lines[0], [[dict(zip(lines[0], line, strict=False)) for line in lines[1:]]])
    elif lines:
        yield _table(name, lines[0], [(0, [PrintedCell(cell.strip()) for cell in line]) for line in lines[1:]])


def _json(text: str, name: str) -> Iterator[PrintedTable]:
    document = json.loads(text)
    for part in [document, *document.get("tables", {}).values()]:
        keys = list(dict.fromkeys(key for row in part["rows"] for key in row))
        yield _raw(part.get("name") or name, keys, [part["rows"]])


def _markdown(text: str, name: str) -> Iterator[PrintedTable]:
    groups: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.lstrip().startswith("|"):
            groups[-1].append(line.strip())
        elif groups[-1]:
            groups.append([])
    for number, group in enumerate(group for group in groups if len(group) > 2):
        split = [[part.strip() for part in re.split(r"(?<!\\)\|", line.strip("|"))] for line in group]
        cells = [(0, [PrintedCell(_unmarked(part), "**" in part) for part in line]) for line in split[2:]]
        yield _table(name if not number else f"{name} {number + 1}", split[0], cells)


def _unmarked(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", re.sub(r"\*\*|</?u>", "", text)).removeprefix("≈").strip()


def _latex(text: str, name: str) -> Iterator[PrintedTable]:
    source = re.sub(r"(?<!\\)%.*", "", text)
    for number, match in enumerate(TABULAR.finditer(source)):
        yield _tabular(_argument_after(match[2]), name if not number else f"{name} {number + 1}")


def _argument_after(body: str) -> str:
    """The body of a tabular without the arguments that describe its columns."""
    rest = re.sub(r"^\s*(\[[^\]]*\])?", "", body)
    while rest.startswith("{"):
        rest = rest[_closing(rest) :].lstrip(" ")
    return rest


def _closing(text: str) -> int:
    """Where the group ends that the text begins with."""
    depth = 0
    for at, char in enumerate(text):
        escaped = at > 0 and text[at - 1] == "\\"
        depth += (char == "{") - (char == "}") if not escaped else 0
        if depth == 0:
            return at + 1
    return len(text)


def _tabular(body: str, name: str) -> PrintedTable:
    """Headings are all lines above the first rule that has lines above it; every later rule begins a block."""
    headings: list[list[PrintedCell]] = []
    rows: list[tuple[int, list[PrintedCell]]] = []
    block = 0
    for line in _lines(body):
        rules = RULE.findall(line)
        cells = _cells(RULE.sub("", line))
        if rules and (headings or rows):
            block += 1
        if not any(cell.text for cell in cells):
            continue
        if block == 0:
            headings.append(cells)
        else:
            rows.append((block, cells))
    if not rows:  # no rule below the headings
        rows = [(1, cells) for cells in headings[1:]]
        headings = headings[:1]
    width = max((len(cells) for cells in headings), default=0)
    titles = [" ".join(line[at].text for line in headings if at < len(line) and line[at].text) for at in range(width)]
    return _table(name, titles, rows)


def _lines(body: str) -> list[str]:
    """Lines of a tabular; a line break inside braces, as of a shortstack, ends none."""
    lines, depth, start = [], 0, 0
    for match in re.finditer(r"\\[{}&%$#_]|\\\\|[{}]", body):
        if match[0] == "\\\\" and depth == 0:
            lines.append(body[start : match.start()])
            start = match.end()
        depth += {"{": 1, "}": -1}.get(match[0], 0)
    return [re.sub(r"^\s*(\[[-\d.a-z]+\]|\*)", "", line) for line in [*lines, body[start:]]]


def _cells(line: str) -> list[PrintedCell]:
    cells = []
    for part in re.split(r"(?<!\\)&", line):
        wide = re.search(r"\\multicolumn\{(\d+)\}", part)
        cells.append(PrintedCell(_plain(part), re.search(r"\\(textbf|bfseries|bf|mathbf)\b", part) is not None))
        cells += [PrintedCell("")] * (int(wide[1]) - 1 if wide else 0)
    return cells


def _plain(text: str) -> str:
    """The text of a cell without commands."""
    text = re.sub(r"\\multicolumn\{\d+\}\{[^{}]*(\{[^{}]*\})?[^{}]*\}|\\multirow\{[^{}]*\}\{[^{}]*\}", "", text)
    text = re.sub(
        r"\\(rlap|phantom|cite\w*|label|ref|textcolor|rowcolor|color|footnotemark)\*?(\[[^\]]*\])?\{.*?\}+(?= |$|\})",
        "",
        text,
    )
    text = re.sub(r"\\shortstack\[\w\]", "", text).replace("\\\\", " ").replace(r"\times", "x").replace(r"\pm", "±")
    text = re.sub(r"\\,|\\;|\\!|~", " ", text)
    text = re.sub(r"\\([&%$#_{}])", r"\1", text)
    text = re.sub(r"\\[a-zA-Z]+\*?|[{}$]|\^", "", text)
    return " ".join(text.split())


def _table(name: str, headings: Sequence[str], lines: Sequence[tuple[int, list[PrintedCell]]]) -> PrintedTable:
    width = len(headings)
    rows = tuple(
        PrintedRow(tuple([*cells, *[PrintedCell("")] * (width - len(cells))][:width]), block) for block, cells in lines
    )
    return PrintedTable(name, tuple(headings), rows, scales_of(headings, rows))
