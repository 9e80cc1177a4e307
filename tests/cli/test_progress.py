"""Progress without a terminal."""

import json

import click
from click.testing import CliRunner

from gsm_bench.cli.options import progress_options
from gsm_bench.cli.progress import ProgressDisplay


@click.command()
@progress_options
def run(quiet):
    with ProgressDisplay("pack", quiet=quiet) as display:
        for done in range(4):
            display.count(done, 3, bad=1)


def test_progress_as_json():
    lines = [json.loads(line) for line in CliRunner().invoke(run, ["--json-progress"]).stderr.splitlines()]
    assert [line["done"] for line in lines] == [0, 3]
    assert lines[-1] | {"time": "", "rate_per_s": 0} == {
        "progress": "pack", "time": "", "done": 3, "total": 3, "bad": 1, "rate_per_s": 0, "left_s": 0.0,
    }  # fmt: skip
    assert lines[0]["left_s"] is None


def test_progress_as_text_and_none():
    assert CliRunner().invoke(run, []).stderr.splitlines()[-1].startswith("pack: 3/3 videos")
    assert CliRunner().invoke(run, ["--quiet"]).stderr == ""
