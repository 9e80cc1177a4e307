"""The counts of ``make attack`` as the table of docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

START, END = "<!-- counts: python benchmarks/attack.py writes them -->", "<!-- end of counts -->"


def lines(results: dict[str, Any]) -> list[str]:
    """A Markdown table of what was tried and how much of it was wrong."""
    rows = [("What was tried", "Tries", "Faults")]
    if "kills" in results:
        part = results["kills"]
        commands = part["commands"].values()
        at_events = sum(one["at_events"] for one in commands)
        rows.append((f"kills before file events of {len(commands)} commands", at_events, _faults(commands)))
        rows.append(("kills of them at random times", sum(one["at_times"] for one in commands), "as above"))
        if shared := part["runs that share their work"]:
            rows.append(("kills of runs that share their work", shared["kills"], len(shared["faults"])))
    for name, key, words in (("writers", "processes", "parallel writers"), ("disks", "runs", "runs without room")):
        if name in results:
            rows.append((words, results[name][key], results[name]["faults"]))
    if "mutations" in results:
        kinds = results["mutations"]["kinds"]
        total: Counter[str] = sum((Counter(one["outcomes"]) for one in kinds.values()), Counter())
        rows.append((f"damaged files of {len(kinds)} kinds", total.total(), results["mutations"]["faults"]))
        rows += [(f"— {outcome}", count, "") for outcome, count in total.most_common()]
    if "hostile" in results:
        kinds = results["hostile"]["kinds"]
        rows += [(f"hostile files: {name}", one["tries"], len(one["faults"])) for name, one in kinds.items()]
    rows.insert(1, ("---", "---:", "---:"))
    table = [f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |" for row in rows]
    return [*table, "", *(_conditions(name, part) for name, part in results.items())]


def _conditions(name: str, part: dict[str, Any]) -> str:
    """Where and how long a part ran, as a line of a list."""
    versions = ", ".join(f"{package} {number}" for package, number in part["versions"].items())
    took = f"{part['minutes']} minutes on {part['cores']} cores, of them {part['processor_minutes']} of a processor"
    return f"- {name}: {took}, at a load of {part['load']}; Python {part['python']}, {versions}"


def _faults(commands: Any) -> int:
    return sum(sum(one["faults"].values()) for one in commands)


def write_into(page: Path, results: dict[str, Any]) -> None:
    """Put the table between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    page.write_text("\n".join([f"{before}{START}", "", *lines(results), "", f"{END}{after}"]), encoding="utf-8")
