"""The command line: parses, calls, prints. Nothing heavy is imported before the command that needs it."""

from __future__ import annotations

import errno
import importlib
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from gsm_bench.cli.console import drop_unwritten, prepare_streams, say
from gsm_bench.cli.interrupts import keep_interrupts
from gsm_bench.cli.run_log import run_log
from gsm_bench.errors import GsmBenchError
from gsm_bench.files import place_of
from gsm_bench.run_origin import set_command

HEAVY_PACKAGES = {
    "torch": "score",
    "torchvision": "score",
    "PIL": "score",
    "av": "score",
    "ray": "ray",
    "safetensors": "score",
    "matplotlib": "figures",
    "pyarrow": "parquet",
    "timm": "timm",
    "transformers": "hf",
}
SECTIONS = {
    "Score": {
        "score": ("gsm_bench.cli.score", "Score the videos of a split with a model."),
        "train": ("gsm_bench.cli.train", "Train a small network on Temporal Shapes."),
    },
    "Evaluate": {
        "evaluate": ("gsm_bench.cli.evaluate", "Show the accuracy of score files."),
        "ensemble": ("gsm_bench.cli.ensemble", "Fuse models and evaluate the ensemble."),
        "compare": ("gsm_bench.cli.compare", "Test whether two results differ, and show where."),
        "calibrate": ("gsm_bench.cli.calibrate", "Measure calibration and fit temperatures."),
        "search": ("gsm_bench.cli.search", "Find the best ensemble of a pool for a given cost."),
        "cascade": ("gsm_bench.cli.cascade", "Run further models only on uncertain videos."),
    },
    "Show": {
        "table": ("gsm_bench.cli.table", "Fill a table of the paper from score files."),
        "figure": ("gsm_bench.cli.figure", "Draw a figure from score files."),
        "report": ("gsm_bench.cli.report", "Write one HTML file with every number and its videos."),
    },
    "Submit": {
        "submit": ("gsm_bench.cli.submit", "Write a submission and validate it."),
        "check": ("gsm_bench.cli.check", "Validate a submission file."),
    },
    "Exchange": {
        "import": ("gsm_bench.cli.imports", "Import a score dump of another project."),
        "export": ("gsm_bench.cli.export", "Export a score file in another project's format."),
    },
    "Registry and data": {
        "models": ("gsm_bench.cli.models", "List, show, check and add models."),
        "datasets": ("gsm_bench.cli.datasets", "List, show and check data sets."),
        "features": ("gsm_bench.cli.features", "Write the features of a network's layers."),
        "pack": ("gsm_bench.cli.pack", "Pack the frames of many videos into one HDF5 file."),
        "shapes": ("gsm_bench.cli.shapes", "Generate Temporal Shapes, the benchmark of this package."),
    },
    "Trust": {
        "doctor": ("gsm_bench.cli.doctor", "Examine this machine, or the frames of a data set."),
        "diagnose": ("gsm_bench.cli.diagnose", "Find out why an accuracy is too low."),
        "probe": ("gsm_bench.cli.probe", "Show what of a model depends on time."),
        "trust": ("gsm_bench.cli.trust", "List, allow and forget code that workspaces may run."),
    },
    "Machine": {
        "bench": ("gsm_bench.cli.bench", "Benchmark decoding, networks and fusion on this machine."),
        "completion": ("gsm_bench.cli.completion", "Complete names in bash, zsh or fish."),
        "demo": ("gsm_bench.cli.demo", "Run everything, end to end, on a small benchmark."),
    },
}
COMMANDS = {name: command for section in SECTIONS.values() for name, command in section.items()}
NO_MEMORY = "not enough memory\n  fix:   raise the limit (ulimit -v), or close other programs"
INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended, and in the run log that of one that ended by an unknown error."""
RESUMABLE = ("score", "features", "pack", "shapes", "train", "demo", "doctor")
"""Commands that continue where an interrupted run stopped."""


class LazyGroup(click.Group):
    """A group that imports the module of a command only when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gsm-bench", prog_name="gsmbench")
@click.option(
    "--workspace",
    metavar="DIR",
    help="Directory of manifests, scores and reports [default: $GSMBENCH_HOME, else the current directory].",
)
@click.pass_context
def cli(context: click.Context, workspace: str | None) -> None:
    """Ensemble evaluation and benchmark submission for video action recognition.

    \b
    Example:
      gsmbench score --model inv3_12f
      gsmbench ensemble En3
      gsmbench table 4
    """
    context.obj = workspace


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, add it to the run log and exit; a known error prints one message and exits with status 1."""
    run_log.begin(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(arguments)
    except SystemExit as stopped:
        _log_end(stopped.code)
        raise
    except BaseException:
        _log_end(INTERRUPTED)
        raise


def _log_end(status: object) -> None:
    problem = run_log.end(status if isinstance(status, int) else 0)
    if problem:
        say(f"note: {problem}")


def _run(arguments: list[str] | None) -> NoReturn:
    """Run the command line and exit."""
    # Waiting threads of a network sleep instead of spinning. Where readers or other processes use the same cores,
    # spinning makes a small network 15 times slower; on an idle machine it makes no difference.
    set_command(["gsmbench", *(sys.argv[1:] if arguments is None else arguments)])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `__main__`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_interrupts()
    try:
        prepare_streams()
        status: Any = cli.main(arguments, prog_name="gsmbench", standalone_mode=False)
    except click.exceptions.Abort:
        say(f"stopped{_how_to_resume(arguments)}")
        _end_by_sigint()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GsmBenchError as error:
        _fail(str(error))
    except BrokenPipeError:
        drop_unwritten()
        sys.stderr.close()
        sys.exit(1)
    except MemoryError:
        _fail(NO_MEMORY)
    except UnicodeEncodeError as error:  # a file's name, or a word of the command line, in another encoding
        name = str(error.object)[:200]
        _fail(f"a name that is no UTF-8 cannot be written\n  where: {name}\n  fix:   rename it")
    except ImportError as error:
        _fail(_import_error(error))
    except OSError as error:
        _fail(NO_MEMORY if error.errno == errno.ENOMEM else _system_error(error))
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    say(f"error: {message}")
    drop_unwritten()
    sys.exit(1)


def _end_by_sigint() -> NoReturn:
    """End the process as the signal does by default, so that a loop of the shell stops too; cleaning up is done first."""
    sys.excepthook = lambda *_: None
    raise KeyboardInterrupt


def _import_error(error: ImportError) -> str:
    """The message for a package that is missing, or that did not fit into memory; other errors are raised again."""
    if isinstance(error, ModuleNotFoundError) and error.name in HEAVY_PACKAGES:
        return f"this command needs {error.name}\n  fix:   pip install 'gsm-bench[{HEAVY_PACKAGES[error.name]}]'"
    if re.search("failed to map segment|annot allocate memory", f"{error} {error.__cause__} {error.__context__}"):
        return NO_MEMORY
    raise error


def _how_to_resume(arguments: list[str] | None) -> str:
    words = list(arguments or sys.argv[1:])
    command = next((word for word in words if word in COMMANDS), "")
    resumable = command in RESUMABLE or (command == "models" and "fetch" in words)
    return "; finished work is kept: run the same command again to continue" if resumable else ""


def _system_error(error: OSError) -> str:
    """The message of an error of the operating system; of one by HDF5, whose text has many lines, reason and file."""
    reason, path = str(error.strerror or error), error.filename
    if in_hdf5 := re.search(r"name = '([^']*)'", reason):
        path = in_hdf5[1]
        reason = os.strerror(error.errno) if error.errno else reason.partition(" (")[0]
    where = f"\n  where: {place_of(Path(os.fsdecode(path)))}" if path and not isinstance(path, int) else ""
    return f"{reason}{where}\n  fix:   check the path, its permissions and the disk"
