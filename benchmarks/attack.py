"""Attack the commands and count what holds: kills, parallel writers, full disks, damaged files, hostile files.

    make attack
    python benchmarks/attack.py [--kills 520] [--writers 200] [--mutations 10000] [--only kills,disks] [--seed 0]

The table and ``benchmarks/results/attack.json`` have the counts; faults are printed as they are found, and the exit status
is 1 if there are any. ``docs/reliability.md`` says what each part promises. Nothing outside temporary folders is written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # a child is a fork: a pool of threads would not survive it
os.environ.pop("GSMBENCH_HOME", None)
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]
RESULTS = ROOT / "benchmarks/results/attack.json"
PAGE = ROOT / "docs/reliability.md"
PACKAGES = ("gsm-bench", "numpy", "h5py", "torch", "av", "pillow", "pyarrow", "matplotlib")


def say(text: str) -> None:
    print(text, flush=True)


def kills(workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Kills of all writing commands, and of runs that share their work."""
    from attack import kills, shared_runs

    names = options.commands.split(",") if options.commands else tuple(kills.COMMANDS)
    results = kills.attack(workspace, options.kills, options.seed, options.lanes, say, names)
    say(f"\n{'command':<20} {'events':>7} {'killed at events':>17} {'at random times':>16} {'faults':>7}")
    for name, one in results.items():
        say(f"{name:<20} {one.events:>7} {one.at_events:>17} {one.at_times:>16} {sum(one.faults.values()):>7}")
    shared = shared_runs.attack(options.shared_kills, options.seed, say) if options.shared_kills else None
    total = sum(one.at_events + one.at_times for one in results.values()) + (shared.kills if shared else 0)
    faults = sum(sum(one.faults.values()) for one in results.values()) + (len(shared.faults) if shared else 0)
    say(f"{total} kills, {faults} faults")
    return {
        "kills": total, "faults": faults, "commands": {name: vars(one) for name, one in results.items()},
        "runs that share their work": vars(shared) if shared else None,
    }  # fmt: skip


def writers(workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Parallel writers."""
    from attack import writers

    results = writers.attack(workspace, options.writers, say)
    say(f"\n{'writers':<36} {'processes':>9} {'kept':>6} {'faults':>7}")
    for name, one in results.items():
        say(f"{name:<36} {one.processes:>9} {one.kept:>6} {len(one.faults):>7}")
    total = sum(one.processes for one in results.values())
    return {"processes": total, "faults": sum(len(one.faults) for one in results.values()),
            "kinds": {name: vars(one) for name, one in results.items()}}  # fmt: skip


def disks(workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Full disks and limits of file sizes."""
    from attack import disks

    names = options.commands.split(",") if options.commands else tuple(disks.COMMANDS)
    results, skipped = disks.attack(workspace, options.lanes, say, names)
    say(f"\n{'command without room':<20} {'runs':>6} {'refused':>8} {'faults':>7}")
    for name, one in results.items():
        say(f"{name:<20} {one.runs:>6} {one.refused:>8} {len(one.faults):>7}")
    if skipped:
        say(f"left out: {skipped}")
    return {"runs": sum(one.runs for one in results.values()), "faults": sum(len(one.faults) for one in results.values()),
            "left_out": skipped, "commands": {name: vars(one) for name, one in results.items()}}  # fmt: skip


def mutations(workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Damaged files."""
    from attack import mutations

    names = options.kinds.split(";") if options.kinds else tuple(mutations.KINDS)
    results = mutations.attack(workspace, options.mutations, options.seed, options.lanes, say, names)
    say(f"\n{'kind of file':<26} {'files':>6} {'slowest':>8}  outcomes")
    for name, one in results.items():
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in one.outcomes.most_common())
        say(f"{name:<26} {sum(one.outcomes.values()):>6} {one.slowest_s:>6.1f} s  {outcomes}")
    unsealed = sorted(name for name, one in results.items() if one.outcomes[mutations.NO_CHECKSUM])
    say(f"formats without a checksum, whose numbers may change without a word: {', '.join(unsealed) or 'none'}")
    return {
        "files": sum(sum(one.outcomes.values()) for one in results.values()), "without_a_checksum": unsealed,
        "faults": sum(len(one.faults) for one in results.values()), "kinds": {name: vars(one) for name, one in results.items()},
    }  # fmt: skip


def hostile(workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Code, places elsewhere and escapes in what a stranger sends."""
    from attack import hostile

    elsewhere, left_out = hostile.read_elsewhere(workspace, say)
    tried = {
        "code run": hostile.run_code(workspace, say),
        "read elsewhere": elsewhere,
        "escapes on a terminal": hostile.escape(workspace, say),
    }
    say(f"\n{'hostile files':<24} {'tries':>6} {'faults':>7}")
    for name, one in tried.items():
        say(f"{name:<24} {one.tries:>6} {len(one.faults):>7}")
    if left_out:
        say(f"left out: {left_out}")
    return {"tries": sum(one.tries for one in tried.values()), "faults": sum(len(one.faults) for one in tried.values()),
            "left_out": left_out, "kinds": {name: vars(one) for name, one in tried.items()}}  # fmt: skip


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "kills": kills, "writers": writers, "disks": disks, "mutations": mutations, "hostile": hostile,
}  # fmt: skip


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=700)
    parser.add_argument("--shared-kills", type=int, default=20, help="kills of runs that share their work")
    parser.add_argument("--writers", type=int, default=200)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, between commas")
    parser.add_argument("--commands", default="", help="of kills and disks: names between commas (default: all)")
    parser.add_argument("--kinds", default="", help="of mutations: names between semicolons (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)), help="processes at once")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the JSON file")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(PARTS):
        parser.error(f"--only: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def load_all() -> None:
    """Import what commands import when they need it, once and before any fork."""
    import av  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch

    torch.set_num_threads(1)


def attack(options: argparse.Namespace) -> dict[str, Any]:
    """Build the workspace, run the parts; returns the results."""
    from attack.workspaces import build

    load_all()
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        workspace = Path(folder).resolve()
        os.environ["XDG_CONFIG_HOME"] = str(workspace / "config")
        build(workspace)
        results = {}
        for name in options.only.split(","):
            results[name] = measured(PARTS[name], workspace, options)
            keep(options.out, {name: results[name]})
            say(f"{name}: {results[name]['faults']} faults in {results[name]['minutes']} min\n")
        os.chdir("/")
    return results


def measured(part: Callable[..., dict[str, Any]], workspace: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The results of a part, with its minutes, and what it ran with."""
    start_s, processor_s = time.monotonic(), sum(os.times()[:4])
    results = part(workspace, options)
    return results | {
        "minutes": round((time.monotonic() - start_s) / 60, 1),
        "processor_minutes": round((sum(os.times()[:4]) - processor_s) / 60, 1),
        "load": round(os.getloadavg()[2], 1), "cores": options.lanes, "seed": options.seed,
        "python": platform.python_version(), "versions": {name: version(name) for name in PACKAGES},
    }  # fmt: skip


def keep(path: Path, results: dict[str, Any]) -> None:
    """Put results into the file, beside those of other parts, and into the page."""
    from attack import summary

    before = json.loads(path.read_text()) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(before | results, indent=1) + "\n")
    if path == RESULTS:
        summary.write_into(PAGE, before | results)


def main() -> int:
    """Run the parts; exit status 1 if anything did not hold."""
    options = parse()
    results = attack(options)
    faults = sum(part["faults"] for part in results.values())
    say(f"{faults} faults; the counts are in {options.out}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
