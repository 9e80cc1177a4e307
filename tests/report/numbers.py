"""The numbers of a page beside those of the command lines that it names."""

from __future__ import annotations

import json
import shlex

from tests.report.browser import COMPLETE

TABLES = """main => [...main.querySelectorAll('table[data-command]')].map(table => ({
  command: table.dataset.command, name: table.dataset.table,
  rows: [...table.tBodies].flatMap(body => [...body.rows]).map(row =>
    Object.fromEntries([...row.cells].filter(cell => cell.dataset.raw !== undefined).map(cell => [cell.dataset.key, cell.dataset.raw])))
}))"""


def printed(workspace, gsmbench, command: str) -> dict:
    """The tables that a command line prints, by name."""
    ran = gsmbench("--workspace", workspace, *shlex.split(command)[1:], "--format", "json")
    assert ran.status == 0, ran.err
    document = json.loads(ran.out)
    return {document["name"]: document, **document["tables"]}


def equal_tables(chromium, report, workspace, gsmbench) -> list[str]:
    """Compare every number of every table with its command line; returns the names of the tables."""
    with chromium.page(report, wait=COMPLETE) as page:
        tables = [t for main in page.query_selector_all("main") for t in main.evaluate(TABLES) if t["command"]]
    answers = {command: printed(workspace, gsmbench, command) for command in {t["command"] for t in tables}}
    for table in tables:
        rows = answers[table["command"]][table["name"]]["rows"]
        assert len(rows) == len(table["rows"])
        for shown, row in zip(table["rows"], rows, strict=True):
            assert {key: float(value) for key, value in shown.items()} == {key: row[key] for key in shown}
    return [table["name"] for table in tables if any(table["rows"])]
