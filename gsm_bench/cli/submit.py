"""``gsmbench submit epic|epic100|log``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli.options import (
    PATH,
    choice,
    data_option,
    format_option,
    leak_option,
    print_table,
    registry,
    say,
    workspace_option,
)
from gsm_bench.settings import Space
from gsm_bench.submit.targets import SLS

if TYPE_CHECKING:
    from gsm_bench.submit.epic import Submission
    from gsm_bench.submit.ledger import Entry, Ledger
    from gsm_bench.workspace import Workspace


def _level(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A required option for one supervision level, with its levels in the help."""
    asks, levels = SLS[name]
    words = ", ".join(f"{number} {level}" for number, level in enumerate(levels))
    option = f"--{name.replace('_', '-')}"
    return click.option(
        option, type=click.IntRange(0, 5), required=True, metavar="0-5", help=f"{asks.capitalize()}: {words}."
    )


@click.group("submit", short_help="Write a server's file, checked before it is sent.")
def command() -> None:
    """Write the files that servers take: row-wise log-probabilities, read back and judged before they are in place.

    \b
    Example:
      gsmbench submit epic --split s1
    """


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--model``, ``--ensemble``, ``--scores`` and where the result goes."""
    for option in reversed(
        (
            click.option(
                "--model", metavar="NAME", help="A model of the registry, with all clips that its file holds."
            ),
            click.option("--ensemble", metavar="NAME", help="An ensemble of the registry."),
            click.option(
                "--scores", type=PATH, metavar="FILE", help="A score file (default: the only one of the split)."
            ),
            click.option(
                "--space",
                type=choice(Space),
                help="What an ensemble averages (default: the entry's, else what the members hold).",
            ),
            leak_option,
            click.option("--out", type=PATH, metavar="FILE", help="Another place than submissions/."),
            click.option("--force", is_flag=True, help="Replace a file that is there."),
            data_option,
            workspace_option,
        )
    ):
        function = option(function)
    return function


@command.command("epic")
@click.option("--split", type=click.Choice(["s1", "s2"]), required=True, help="s1 seen kitchens, s2 unseen kitchens.")
@source_options
def submit_epic(split: str, **choices: Any) -> None:
    """EPIC-KITCHENS-55: seen.json for s1, unseen.json for s2, and the zip once both come from one source.

    The organisers declared this board no longer valid in February 2024; the command says what to report instead.

    \b
    Example:
      gsmbench submit epic --split s1 --model epic_bninc_16f
    """
    from gsm_bench.submit.targets import EPIC_55

    say(f"note: {EPIC_55.notice}")
    member = EPIC_55.member_of(split)

    def places(folder: Path, source: str) -> list[Path]:
        others = [folder / source / name for name in EPIC_55.members if name != member]
        return [folder / source / member, *([folder / f"{source}.zip"] if all(map(Path.is_file, others)) else [])]

    workspace, made, ledger, path = _build(EPIC_55, split, {}, choices, places)
    _write(path, made, ledger, workspace, choices["force"])
    if choices["out"] is None:
        _bundle_when_whole(made, path.parent, ledger, workspace, choices["force"])


@command.command("epic100")
@_level("sls_pt")
@_level("sls_tl")
@_level("sls_td")
@source_options
def submit_epic100(sls_pt: int, sls_tl: int, sls_td: int, **choices: Any) -> None:
    """EPIC-KITCHENS-100 action recognition: a zip with test.json. The supervision levels are yours to state.

    \b
    Example:
      gsmbench submit epic100 --model epic100_bninc_16f --sls-pt 1 --sls-tl 3 --sls-td 3
    """
    from gsm_bench.submit.ledger import attempts_words
    from gsm_bench.submit.targets import EPIC_100, sls_words

    levels = {"sls_pt": sls_pt, "sls_tl": sls_tl, "sls_td": sls_td}
    workspace, made, ledger, path = _build(
        EPIC_100, "test", levels, choices, lambda folder, source: [folder / f"{source}.zip"]
    )
    for name, level in levels.items():
        say(f"  {sls_words(name, level)}")
    _write(path, made, ledger, workspace, choices["force"])
    say(f"note: {EPIC_100.notice}; {attempts_words(ledger.attempts(EPIC_100.name))}")
    say(f"after sending it: gsmbench submit log {workspace.shown(path.absolute())} --score verb=..,noun=..,action=..")


@command.command("log")
@click.argument("file", required=False, type=PATH)
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="NAME=VALUE",
    help="The server's answer: verb=65.2,noun=48.1,action=35.0.",
)
@click.option("--failed", metavar="TEXT", help="The server refused the file, with this error; the attempt counts.")
@click.option("--date", metavar="DATE", help="When it was sent, ISO 8601 in UTC (default: now).")
@format_option
@workspace_option
def log(file: Path | None, scores: tuple[str, ...], failed: str | None, date: str | None, form: str) -> None:
    """Record a server's answer, or without FILE show what was written and sent, and how many attempts are left.

    \b
    Example:
      gsmbench submit log submissions/epic-100/epic100_bninc_16f.zip --score verb=65.2,noun=48.1,action=35.0
    """
    from gsm_bench.submit.ledger import LEDGER, Ledger, attempts_words, parse_score, record_sent, sent_rows
    from gsm_bench.submit.targets import TARGETS
    from gsm_bench.tables.table import Column, Table

    workspace, _ = registry()
    ledger = Ledger(workspace.submissions / LEDGER)
    if file is not None:
        if not scores and failed is None:
            raise click.UsageError("say what the server answered: --score NAME=VALUE, or --failed TEXT")
        path = workspace.root / file if not file.exists() and (workspace.root / file).exists() else file
        entry = record_sent(ledger, path, workspace.shown(path.absolute()), parse_score(scores), failed or "", date)
        say(f"{TARGETS[entry.target].title}: {attempts_words(ledger.attempts(entry.target))}")
        return
    if scores or failed:
        raise click.UsageError("name the file that was sent: gsmbench submit log FILE --score ..")
    entries = ledger.entries()
    columns = ("date", "event", "file", "splits", "source", "sha256", "score")
    notes = tuple(
        f"{TARGETS[name].title}: {attempts_words(ledger.attempts(name))}"
        for name in dict.fromkeys(e.target for e in entries)
    )
    table = Table(
        "", tuple(Column(name, name.capitalize()) for name in columns), (sent_rows(entries),), notes, "ledger"
    )
    print_table(table, form)


def _build(
    target: Any,
    split: str,
    levels: dict[str, int],
    choices: dict[str, Any],
    places: Callable[[Path, str], list[Path]],
) -> tuple[Workspace, Submission, Ledger, Path]:
    """What is to be written, and where; `places` says which files a source of some name makes, the first of them now."""
    from gsm_bench.evaluation.actions import SOURCE_WORDS
    from gsm_bench.splits import read_split
    from gsm_bench.submit.epic import Options, build
    from gsm_bench.submit.ledger import LEDGER, Ledger
    from gsm_bench.submit.source import SubmissionSource, find_source
    from gsm_bench.submit.writing import refuse_existing

    out = choices["out"]
    if out is not None and (out.suffix not in (".zip", ".json") or out.is_dir()):
        raise click.UsageError(f"--out {out}: name a .zip or a .json file")
    asked = [name for name in ("model", "ensemble", "scores") if choices[name]]
    if len(asked) > 1:
        raise click.UsageError(f"give one of --model, --ensemble and --scores, not {' and '.join(asked)}")
    workspace, manifest = registry()
    ledger = Ledger(workspace.submissions / LEDGER)
    ledger.entries()  # a damaged one is told before anything is written
    dataset = manifest.dataset(target.name)
    wanted = SubmissionSource(choices["model"], choices["ensemble"], choices["scores"])
    source = find_source(wanted, manifest, workspace, target.name, split)
    paths = [out] if out else places(workspace.submissions / target.name, source.name)
    for path in paths:
        refuse_existing(path, choices["force"])
    listed = read_split(dataset, split, choices["data"] or workspace.data / dataset.folder)
    if listed.full_size not in (None, len(listed)):
        say(f"note: this list has {len(listed):,} clips, the full split {listed.full_size:,}")
    made = build(source, target, listed, manifest, Options(choices["space"], levels, choices["allow_leak"]))
    for line in made.leaks:
        say(f"leak: {line}")
    say(f"{made.source} on {target.name}/{split}, {len(listed):,} clips")
    for line in made.members:
        say(f"  {line}")
    if target.actions:
        say(f"  actions {SOURCE_WORDS[made.rule.source]} ({made.rule.why})")
    for line in made.warnings:
        say(f"note: {line}")
    return workspace, made, ledger, paths[0]


def _write(path: Path, made: Submission, ledger: Ledger, workspace: Workspace, force: bool) -> None:
    from gsm_bench.submit.writing import write_file

    entry = write_file(path.absolute(), made, force=force)
    _conclude(entry, path, ledger, workspace)


def _bundle_when_whole(made: Submission, folder: Path, ledger: Ledger, workspace: Workspace, force: bool) -> None:
    """The zip, if every split was written from one source and signature."""
    from gsm_bench.submit.writing import bundle

    written: dict[str, tuple[Path, Entry]] = {}
    for name, split in made.target.members.items():
        entry = ledger.written(workspace.shown(folder / name))
        if entry is None or not (folder / name).is_file():
            say(f"the zip is made once {split} is there too: gsmbench submit epic --split {split} from the same source")
            return
        if entry.signature != made.signature:
            say(
                f"note: {name} comes from other scores or settings, so no zip is made: submit {split} again with --force"
            )
            return
        written[name] = (folder / name, entry)
    path = folder.with_name(f"{folder.name}.zip")
    entry = bundle(path, made.target, written, force=force)
    _conclude(entry, path, ledger, workspace)


def _conclude(entry: Entry, path: Path, ledger: Ledger, workspace: Workspace) -> None:
    from dataclasses import replace

    shown = workspace.shown(path.absolute())
    ledger.add(replace(entry, file=shown))
    say(
        f"read back from disk: the server would take it, and ranks what was meant; {path.stat().st_size / 1e6:.1f} MB, sha256 {entry.sha256[:12]}"
    )
    click.echo(shown)
