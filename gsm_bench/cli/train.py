"""``gsmbench train``."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import PATH, choice, format_option, print_table, say, workspace_option
from gsm_bench.settings import GateActivation, Head, Precision, RecipeName, Temporal
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gsm_bench.entries import ModelEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.tables.table import Table
    from gsm_bench.train.plan import TrainingPlan
    from gsm_bench.train.resolve import Training, TrainRequest

OF_SHAPES = ("head", "width", "temporal")
"""Options of the small networks of Temporal Shapes alone."""
OF_GATES = ("gate", "gsm_blocks", "gsm_branch")
SHAPES_DEFAULTS = {
    "temporal": "gsm", "head": "action", "frames": 8, "epochs": 5, "batch": 16, "learning_rate": 0.01, "dropout": 0.5,
    "width": 0.25, "seed": 1, "validate_every": 1,
}  # fmt: skip
LARGEST_SEED = 2**32 - 1


class FiniteRange(click.FloatRange):
    """A number within a range; neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


@click.command("train", short_help="Train a network like one of the registry, by the paper's recipe.")
@click.option("--like", metavar="MODEL", shell_complete=completing.model_name, help="The model whose network to train.")
@click.option("--data", type=PATH, metavar="DIR", help="Directory with the lists and frames (default: data/<dataset>).")
@click.option(
    "--out", type=PATH, required=True, metavar="FILE", help="The .safetensors file to write; the log is beside it."
)
@click.option(
    "--init", type=PATH, metavar="FILE", help="First weights: an ImageNet file, or a checkpoint (default: random)."
)
@click.option(
    "--dataset", metavar="NAME", shell_complete=completing.dataset_name, help="Another data set than the model's."
)
@click.option("--split", metavar="NAME", help="The list to train on (default: train).")
@click.option("--validation", metavar="NAME", help="The list to validate on (default: validation, val or test).")
@click.option(
    "--frames-at", type=PATH, metavar="PATH", help="Frames outside the data directory: a folder, or an archive."
)
@click.option("--frames", type=click.IntRange(1), metavar="T", help="Frames per clip (default: the model's).")
@click.option(
    "--recipe",
    type=choice(RecipeName),
    default="default",
    show_default=True,
    help="released: all that the released code does, slips included; see docs/training.md.",
)
@click.option("--gate", type=choice(GateActivation), help="Function of the gates (default: the model's, tanh).")
@click.option("--gsm-blocks", type=click.IntRange(0), metavar="N", help="Gate-shift modules, from the last (table 2).")
@click.option(
    "--gsm-branch",
    type=click.Choice(["1", "2", "3", "4", "all"]),
    help="Branch of the blocks with the gate-shift module, by its number in table 1 (default: 4, that of the release).",
)
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Default: 60, and 20 for Diving48.")
@click.option(
    "--warmup", type=click.IntRange(0), metavar="N", help="Epochs in which the rate rises (default: 10 of 60)."
)
@click.option(
    "--batch", type=click.IntRange(1), metavar="B", help="Clips of a micro-batch, on all devices (default: 16)."
)
@click.option("--accumulate", type=click.IntRange(1), metavar="N", help="Micro-batches per step (default: 2).")
@click.option("--learning-rate", type=FiniteRange(0, min_open=True), help="The highest (default: 0.01).")
@click.option("--weight-decay", type=FiniteRange(0), help="Of every tensor (default: 5e-4).")
@click.option("--dropout", type=FiniteRange(0, 1, max_open=True), help="Default: 0.5, and 0.7 for Diving48.")
@click.option("--clip-norm", type=FiniteRange(0, min_open=True), help="Largest norm of the gradient (default: 20).")
@click.option("--no-mirror", is_flag=True, help="Mirror no clips.")
@click.option("--partial-batch-norm", is_flag=True, help="Train the first batch norm only.")
@click.option("--on-bad-frame", type=click.Choice(["error", "nearest", "first"]), help="Default: error.")
@click.option("--precision", type=choice(Precision), help="Default: float32.")
@click.option("--seed", type=click.IntRange(0, LARGEST_SEED), help="Of weights, order, clips and dropout (default: 1).")
@click.option("--validate-every", type=click.IntRange(1), metavar="N", help="Epochs between validations (default: 5).")
@click.option("--device", help="cpu or cuda (default: a GPU if there is one); torchrun starts several.")
@click.option(
    "--workers", type=click.IntRange(0), metavar="N", help="Processes that read frames (default: one per core)."
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of torch.")
@click.option(
    "--save-every",
    type=FiniteRange(0),
    metavar="S",
    help="Seconds between saved states (default: 600).",
)
@click.option("--tensorboard", type=PATH, metavar="DIR", help="Write the log for TensorBoard, too.")
@click.option("--plan", is_flag=True, help="Time a few steps, show duration and deviations; write nothing.")
@click.option(
    "--temporal", type=choice(Temporal), help="Without --like: gate-shift modules (gsm), or plain TSN (none)."
)
@click.option("--head", type=choice(Head), help="Without --like: motions; or motions, shapes and their 84 pairs.")
@click.option(
    "--width", type=FiniteRange(0, min_open=True), help="Without --like: factor on the channels of BN-Inception."
)
@click.option("--force", is_flag=True, help="Start again, and replace an existing checkpoint.")
@format_option
@workspace_option
def command(*, form: str, **choices: Any) -> int:
    """Train a network like one of the registry on the lists and frames that `score` reads.

    Stop it at any moment: the same command goes on where it was. Without --like, it trains a small network on Temporal
    Shapes, held in memory (docs/shapes-recipe.md).

    \b
    Example:
      gsmbench train --like inv3_8f --data ~/something-v1 --init imagenet.pth --out checkpoints/mine_8f.safetensors
      torchrun --nproc-per-node 4 -m gsm_bench train --like inv3_8f --out checkpoints/mine_8f.safetensors
    """
    if choices["like"] is None:
        return _train_on_shapes(choices)
    for name in OF_SHAPES:
        if choices[name] is not None:
            raise click.UsageError(
                f"--{name} is for training without --like; options of the network are --gate and --gsm-blocks"
            )
    return _train_like(choices, form)


def _train_on_shapes(choices: dict[str, Any]) -> int:
    """The recipe of docs/shapes-recipe.md."""
    known = {*SHAPES_DEFAULTS, "data", "out", "threads", "device", "force"}
    ignored = {*OF_GATES, "like", "recipe", "no_mirror", "partial_batch_norm", "plan"}
    for name in choices.keys() - known - ignored:
        if choices[name] is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --like MODEL")
    if choices["plan"] or choices["no_mirror"] or choices["partial_batch_norm"] or choices["recipe"] != "default":
        raise click.UsageError("--plan, --recipe, --no-mirror and --partial-batch-norm need --like MODEL")
    if choices["data"] is None:
        raise click.UsageError("give --data DIR with Temporal Shapes (gsmbench shapes make), or --like MODEL")
    from gsm_bench.train import TrainConfig, train

    given = {name: choices[name] for name in known if choices[name] is not None} | _gate_options(choices)
    if choices["temporal"] == "none" and given.keys() & set(OF_GATES):
        raise click.UsageError("--gate, --gsm-blocks and --gsm-branch need --temporal gsm")
    result = train(TrainConfig(**{**SHAPES_DEFAULTS, **given}), progress=lambda line: say(_line(line)))
    echo(
        f"{pasteable(result.checkpoint)}: top-1 {100 * result.top1:.2f}, frames reversed {100 * result.top1_reversed:.2f}"
    )
    return 0


def _train_like(choices: dict[str, Any], form: str) -> int:
    import torch

    from gsm_bench.cli.options import registry
    from gsm_bench.train.fit import SAVE_EVERY_S, fit
    from gsm_bench.train.parallel import is_first
    from gsm_bench.train.resolve import resolve
    from gsm_bench.train.rules import deviations

    if choices["threads"]:
        torch.set_num_threads(choices["threads"])
    workspace, manifest = registry()
    training = resolve(_request(choices, manifest), manifest, workspace)
    notes = list(training.notes)
    if (differing := len(deviations(training.recipe))) and not choices["plan"]:
        notes.append(
            f"{differing} settings differ from the release; --plan lists them, and so does the checkpoint's card"
        )
    for note in notes if is_first() else ():
        say(f"note: {note}")
    if choices["plan"]:
        from gsm_bench.train.plan import plan_training

        print_table(_plan_table(plan_training(training)), form)
        return 0
    with TensorBoardLog(choices["tensorboard"] if is_first() else None) as write:

        def told(line: dict[str, Any]) -> None:
            write(line)
            if "training" not in line:
                say(_words(line, training.recipe.epochs))

        every = choices["save_every"]
        outcome = fit(training, progress=told, save_every_s=SAVE_EVERY_S if every is None else every)
    if not is_first():
        return 0
    if outcome.already_done:
        say("this training is complete: nothing was done")
    best = (
        f", best {100 * outcome.best_top1:.2f} in epoch {outcome.best_epoch}" if outcome.best_top1 is not None else ""
    )
    accuracy = "not validated" if outcome.top1 is None else f"top-1 {100 * outcome.top1:.2f}{best}"
    echo(f"{pasteable(training.out)}: {accuracy}")
    say(f"to score with it: {_add_command(training, manifest.model(choices['like']))}")
    return 0


def _request(choices: dict[str, Any], manifest: Manifest) -> TrainRequest:
    """The request of the options; Diving48 has its own numbers of epochs and dropout in the paper."""
    from gsm_bench.train.resolve import TrainRequest, trainable
    from gsm_bench.train.rules import recipe_of

    settings = (
        "epochs", "warmup", "batch", "accumulate", "learning_rate", "weight_decay", "dropout", "clip_norm", "precision",
        "seed", "validate_every",
    )  # fmt: skip
    changes = {name: choices[name] for name in settings} | {"bad_frame": choices["on_bad_frame"]}
    if choices["no_mirror"]:
        changes["mirror"] = False
    if choices["partial_batch_norm"]:
        changes["full_batch_norm"] = False
    if (choices["dataset"] or trainable(manifest, choices["like"]).dataset).startswith("diving48"):
        changes["epochs"] = changes["epochs"] or 20
        changes["dropout"] = 0.7 if changes["dropout"] is None else changes["dropout"]
    kept = ("init", "dataset", "split", "validation", "data", "frames_at", "frames", "device", "workers", "force")
    return TrainRequest(
        choices["like"], choices["out"], recipe_of(choices["recipe"], changes),
        options=_gate_options(choices),
        **{name: choices[name] for name in kept},
    )  # fmt: skip


def _gate_options(choices: dict[str, Any]) -> dict[str, Any]:
    """The options of gates that were given, with the branch by its name."""
    from gsm_bench.settings import PAPER_BRANCHES

    given = {name: choices[name] for name in OF_GATES if choices[name] is not None}
    if (branch := given.get("gsm_branch", "all")) != "all":
        given["gsm_branch"] = PAPER_BRANCHES[int(branch)]
    return given


def _add_command(training: Training, like: ModelEntry) -> str:
    """The command that registers the trained network: what it has in other ways than the model that it is like."""
    entry = training.entry
    words = [
        "gsmbench models add",
        shlex.quote(entry.name),
        f"--like {like.name}",
        f"--checkpoint {pasteable(training.out)}",
    ]
    words += [f"--frames {entry.frames}"] if entry.frames != like.frames else []
    words += [f"--dataset {entry.dataset}"] if entry.dataset != like.dataset else []
    settings: dict[str, Any] = {f"options.{key}": value for key, value in entry.options.items() if key in OF_GATES}
    settings |= {key: getattr(entry, key) for key in ("classes", "class_order", "head")}
    before = {f"options.{key}": value for key, value in like.options.items()}
    before |= {key: getattr(like, key) for key in ("classes", "class_order", "head")}
    settings = {key: value for key, value in settings.items() if before.get(key) != value}
    settings["trained_on"] = [f"{training.split.dataset}/{training.split.name}"]
    return " ".join([*words, *(f"--set {shlex.quote(f'{key}={_toml(value)}')}" for key, value in settings.items())])


def _toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _plan_table(plan: TrainingPlan) -> Table:
    from gsm_bench.tables.table import Column, Table

    rows = tuple({"what": what, "value": value} for what, value in plan.rows())
    return Table("Training", (Column("what", "Plan"), Column("value", "")), (rows,), name="plan")


class TensorBoardLog:
    """Writes the numbers of each line for TensorBoard, where a directory is given."""

    def __init__(self, directory: Path | None) -> None:
        self._writer: Any = None
        if directory is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise click.UsageError(
                    "--tensorboard needs the package tensorboard: pip install tensorboard"
                ) from error
            self._writer = SummaryWriter(str(directory))

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        return self._write

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._writer is None or "epoch" not in line:
            return
        for name, value in line.items():
            if isinstance(value, float):
                self._writer.add_scalar(name, value, line["epoch"])


def _words(line: dict[str, Any], epochs: int) -> str:
    """A line of progress, or of the log, in words: accuracies in percent."""
    if "resumed_in_epoch" in line:
        return f"goes on in epoch {line['resumed_in_epoch']} of {epochs}, after {line['batch']:,} micro-batches"
    if "in_epoch" in line:
        from gsm_bench.train.plan import duration

        rate = f"{line['clips_per_s']:.3g} clips/s, {duration(line['left_s'])} left"
        return f"epoch {line['in_epoch']} of {epochs}, micro-batch {line['batch']:,}: {rate}"
    words = [f"rate {line['learning_rate']:.3g}", f"loss {line['loss']:.4g}"]
    for key, value in line.items():
        if key.endswith(("top1", "top5")):
            name = key.replace("train_", "training ").replace("_", " ").replace("top", "top-")
            words.append(f"{name} {100 * value:.2f}")
    if line.get("unread"):
        words.append(f"{line['unread']:g} videos unreadable, in no accuracy")
    return f"epoch {line['epoch']} of {epochs}: {', '.join(words)}"


def _line(line: dict[str, Any]) -> str:
    """A log line without the recipe, which the log file holds."""
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in line.items()
        if key != "recipe"
    )
