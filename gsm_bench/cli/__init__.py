"""The command line: parses, calls, prints. Nothing heavy is imported before the command that needs it."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

import click

from gsm_bench.errors import GsmBenchError

HEAVY_PACKAGES = {
    "torch": "score",
    "torchvision": "score",
    "PIL": "score",
    "av": "score",
    "ray": "ray",
    "safetensors": "score",
    "matplotlib": "figures",
    "pyarrow": "parquet",
}
COMMANDS = {
    "models": ("gsm_bench.cli.models", "List, show, check and add models."),
    "score": ("gsm_bench.cli.score", "Score a split with a model."),
    "ensemble": ("gsm_bench.cli.ensemble", "Fuse models and evaluate the ensemble."),
    "evaluate": ("gsm_bench.cli.evaluate", "Evaluate score files."),
    "search": ("gsm_bench.cli.search", "Which ensemble of a pool is best, for its cost?"),
    "cascade": ("gsm_bench.cli.cascade", "More models only for the clips that are not sure."),
    "compare": ("gsm_bench.cli.compare", "Is the difference of two results real, and where does it come from?"),
    "calibrate": ("gsm_bench.cli.calibrate", "Does confidence mean what it says?"),
    "import": ("gsm_bench.cli.imports", "Make a score file of somebody else's score dump."),
    "export": ("gsm_bench.cli.export", "Write a score file in another project's format."),
    "table": ("gsm_bench.cli.table", "Fill a table of the paper from score files."),
    "submit": ("gsm_bench.cli.submit", "Write a server's file, checked before it is sent."),
    "check": ("gsm_bench.cli.check", "Judge a server's file before it is sent."),
    "figure": ("gsm_bench.cli.figure", "Draw a figure from score files."),
    "pack": ("gsm_bench.cli.pack", "Put the frames of many videos into one HDF5 file."),
    "shapes": ("gsm_bench.cli.shapes", "Make Temporal Shapes, the benchmark that ships with the package."),
    "train": ("gsm_bench.cli.train", "Train a small network on Temporal Shapes."),
    "bench": ("gsm_bench.cli.bench", "How fast is this machine, and what does it wait for?"),
    "demo": ("gsm_bench.cli.demo", "The main job, end to end, on a small benchmark: a minute or two."),
}
RESUMABLE = ("score", "pack", "shapes", "train", "demo")
"""Commands that, stopped and given again, do only what is missing."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command runs; help texts of the list stand here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gsm-bench", prog_name="gsmbench")
@click.option(
    "--workspace", metavar="DIR", help="Where manifests, scores and reports lie (else $GSMBENCH_HOME, else here)."
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
    """Run the command line; a known error becomes one message and exit status 1."""
    # Threads of a network that wait for each other sleep instead of spinning: with readers or other processes on the
    # same cores, spinning made a small network 15 times slower; on an idle machine it makes no difference.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status: Any = cli.main(arguments, prog_name="gsmbench", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo(f"stopped{_how_to_go_on(arguments)}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GsmBenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in HEAVY_PACKAGES:
            raise
        click.echo(
            f"error: this command needs {error.name}\n  fix:   pip install 'gsm-bench[{HEAVY_PACKAGES[error.name]}]'",
            err=True,
        )
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        click.echo(_system_error(error), err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _how_to_go_on(arguments: list[str] | None) -> str:
    command = next((word for word in arguments or sys.argv[1:] if word in COMMANDS), "")
    return "; what is finished is kept: the same command goes on from there" if command in RESUMABLE else ""


def _system_error(error: OSError) -> str:
    """What the system says; of HDF5's message, which runs over lines, the reason and the file."""
    said, place = str(error.strerror or error), error.filename
    if in_hdf5 := re.search(r"name = '([^']*)'", said):
        place = in_hdf5[1]
        said = os.strerror(error.errno) if error.errno else said.partition(" (")[0]
    where = f"\n  where: {place}" if place else ""
    return f"error: {said}{where}\n  fix:   check the path, its rights and the disk"
