"""``gsmbench submit epic|epic100|log``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
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
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.submit.epic import Submission
    from gsm_bench.submit.targets import Target


def _level(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A required option for one supervision level, with its levels in the help."""
    subject, levels = SLS[name]
    words = ", ".join(f"{number} {level}" for number, level in enumerate(levels))
    option = f"--{name.replace('_', '-')}"
    return click.option(
        option, type=click.IntRange(0, 5), required=True, metavar="0-5", help=f"{subject.capitalize()}: {words}."
    )


@click.group("submit", short_help="Write a submission and validate it.")
def command() -> None:
    """Write a submission and validate it: row-wise log-probabilities, read back from disk and checked as the server would.

    \b
    Example:
      gsmbench submit epic --split s1
    """


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--model``, ``--ensemble``, ``--scores`` and where the result goes."""
    for option in reversed(
        (
            click.option(
                "--model",
                metavar="NAME",
                shell_complete=completing.model_name,
                help="A model of the registry, with all clips of its score file.",
            ),
            click.option(
                "--ensemble",
                metavar="NAME",
                shell_complete=completing.ensemble_name,
                help="An ensemble of the registry.",
            ),
            click.option(
                "--scores", type=PATH, metavar="FILE", help="A score file (default: the only one of the split)."
            ),
            click.option(
                "--space",
                type=choice(Space),
                help="What an ensemble averages (default: the entry's, else what the members hold).",
            ),
            leak_option,
            click.option("--out", type=PATH, metavar="FILE", help="The file to write (default: in submissions/)."),
            click.option("--force", is_flag=True, help="Replace an existing file."),
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
    """EPIC-KITCHENS-55: seen.json for s1, unseen.json for s2, and a zip of both once they come from one source.

    The organisers declared this leaderboard no longer valid in February 2024; the command names the alternative.

    \b
    Example:
      gsmbench submit epic --split s1 --model epic_bninc_16f
    """
    from gsm_bench.submit.targets import EPIC_55

    say(f"note: {EPIC_55.notice}")
    _submit(EPIC_55, split, {}, choices)


@command.command("epic100")
@_level("sls_pt")
@_level("sls_tl")
@_level("sls_td")
@source_options
def submit_epic100(sls_pt: int, sls_tl: int, sls_td: int, **choices: Any) -> None:
    """EPIC-KITCHENS-100 action recognition: a zip with test.json. You must state the supervision levels.

    \b
    Example:
      gsmbench submit epic100 --model epic100_bninc_16f --sls-pt 1 --sls-tl 3 --sls-td 3
    """
    from gsm_bench.submit.ledger import LEDGER, Ledger, attempts_words
    from gsm_bench.submit.targets import EPIC_100, sls_words

    levels = {"sls_pt": sls_pt, "sls_tl": sls_tl, "sls_td": sls_td}
    path = _submit(EPIC_100, "test", levels, choices)
    for name, level in levels.items():
        say(f"  {sls_words(name, level)}")
    workspace, _ = registry()
    attempts = Ledger(workspace.submissions / LEDGER).attempts(EPIC_100.name)
    say(f"note: {EPIC_100.notice}; {attempts_words(attempts)}")
    say(f"after sending it: gsmbench submit log {pasteable(path)} --score verb=..,noun=..,action=..")


@command.command("log")
@click.argument("file", required=False, type=PATH)
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="NAME=VALUE",
    help="The server's result: verb=65.2,noun=48.1,action=35.0.",
)
@click.option("--failed", metavar="TEXT", help="The server refused the file with this error; the attempt counts.")
@click.option(
    "--date",
    metavar="DATE",
    help="When the file was sent, ISO 8601 in UTC (default: now). The same result of another date is another attempt.",
)
@format_option
@workspace_option
def log(file: Path | None, scores: tuple[str, ...], failed: str | None, date: str | None, form: str) -> None:
    """Record a server's result; without FILE, list written and sent files and the attempts left.

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
            raise click.UsageError("give the server's result: --score NAME=VALUE, or --failed TEXT")
        path = workspace.root / file if not file.exists() and (workspace.root / file).exists() else file
        entry, is_new = record_sent(
            ledger, path, workspace.stored_name(path.absolute()), parse_score(scores), failed or "", date
        )
        if not is_new:
            say(f"note: this result is in the ledger already, of {entry.date}: it counts as one attempt")
            say("  fix:   if the file was sent again, give its --date")
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


def _submit(target: Target, split: str, levels: dict[str, int], choices: dict[str, Any]) -> Path:
    """Prepare and write a submission; returns the path of its file."""
    from gsm_bench.submit.epic import Options
    from gsm_bench.submit.run import SubmissionRequest, prepare, write_submission
    from gsm_bench.submit.source import SubmissionSource

    out = choices["out"]
    if out is not None and (out.suffix not in (".zip", ".json") or out.is_dir()):
        raise click.UsageError(f"--out {out}: name a .zip or a .json file")
    named = [name for name in ("model", "ensemble", "scores") if choices[name]]
    if len(named) > 1:
        raise click.UsageError(f"give one of --model, --ensemble and --scores, not {' and '.join(named)}")
    workspace, manifest = registry()
    source = SubmissionSource(choices["model"], choices["ensemble"], choices["scores"])
    options = Options(choices["space"], levels, choices["allow_leak"])
    request = SubmissionRequest(target, split, source, options, choices["data"], out, choices["force"])
    prepared = prepare(request, manifest, workspace)
    _describe(prepared.submission)
    written = write_submission(prepared, workspace)
    for file in filter(None, (written.file, written.zip)):
        say(
            f"read back from disk: the server would accept it, the rankings are exact; {file.size / 1e6:.1f} MB, "
            f"sha256 {file.entry.sha256[:12]}"
        )
        echo(pasteable(workspace.root / file.entry.file))
    if written.waiting_for:
        say(f"note: {written.waiting_for}")
    return prepared.path


def _describe(submission: Submission) -> None:
    from gsm_bench.evaluation.actions import SOURCE_WORDS

    target, split = submission.target, submission.split
    if split.full_size not in (None, len(split)):
        say(f"note: this list has {len(split):,} segments, the full split {split.full_size:,}")
    for leak in submission.leaks:
        say(f"leak: {leak}")
    say(f"{submission.source} on {target.name}/{split.name}, {len(split):,} segments")
    for member in submission.members:
        say(f"  {member}")
    if target.actions:
        say(f"  actions {SOURCE_WORDS[submission.rule.source]} ({submission.rule.why})")
    for warning in submission.warnings:
        say(f"note: {warning}")
