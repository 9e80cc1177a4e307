"""Child processes of a run on several devices."""

import sys
import threading

import pytest

torch = pytest.importorskip("torch")

from gsm_bench.scoring.multi_device import arguments_of, helpers_on, shared_workers  # noqa: E402
from gsm_bench.scoring.prepare import Request  # noqa: E402
from tests.waiting import PATIENCE_S, until  # noqa: E402

TALKER = "import sys; sys.stderr.write('x' * 1_000_000 + 'the end'); sys.stderr.flush(); sys.exit({status})"


def run_child(status, seconds=PATIENCE_S):
    """Failures of a child that prints 1 MB, None if it blocks."""
    result = []

    def work():
        program = (sys.executable, "-c", TALKER.format(status=status))
        with helpers_on(["cuda:1"], ["score"], program) as failures:
            # A child that waits for its pipe never ends while this process is at work.
            result.append(failures)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return None if thread.is_alive() else result[0]


@pytest.mark.parametrize("status", [0, 3])
def test_a_child_that_prints_a_megabyte_does_not_block(status):
    assert run_child(status) == []


def test_a_child_ends_while_this_process_is_still_at_work(tmp_path):
    done = tmp_path / "done"
    code = f"import sys; sys.stderr.write('x' * 1_000_000); open({str(done)!r}, 'w').close()"
    with helpers_on(["cuda:1"], [], (sys.executable, "-c", code)):
        until(done.exists, "the child, which waits for its messages to be read")


def test_the_end_of_the_messages_of_a_failed_child_is_shown():
    (failure,) = run_child(1)
    assert failure.startswith("the process on cuda:1 failed: xxx")
    assert failure.endswith("the end")
    assert len(failure) < 5000


def test_children_are_stopped_if_this_process_fails():
    code = "import time; time.sleep(1000)"
    with pytest.raises(KeyError), helpers_on(["cuda:1"], [], (sys.executable, "-c", code)):
        raise KeyError


@pytest.mark.parametrize(("workers", "devices", "share"), [(8, 1, 8), (8, 4, 2), (3, 4, 1)])
def test_processes_divide_the_readers(workers, devices, share):
    assert shared_workers(Request("a", workers=workers), devices).workers == share


def test_one_device_keeps_the_default_number_of_readers():
    assert shared_workers(Request("a"), 1).workers is None
    assert shared_workers(Request("a"), 2).workers >= 1


def test_a_request_is_a_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    request = Request("a", data=Path("data"), crops=5, shard=(1, 4), fresh=True, on_bad_frame="nearest", workers=2)
    arguments = arguments_of(request, ["a", "b"])
    assert arguments[:3] == ["score", "--models", "a,b"]
    told = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert told["--data"] == str(tmp_path / "data")
    assert (told["--crops"], told["--shard"], told["--on-bad-frame"], told["--workers"]) == ("5", "1/4", "nearest", "2")
    assert not {"--fresh", "--device", "--limit"} & set(arguments)
    assert arguments_of(request, ["a"])[:3] == ["score", "--model", "a"]


def test_every_argument_is_an_option_of_the_command():
    from gsm_bench.cli.score import command

    full = Request(
        "a", "d", "s", *(["/x"] * 2), 2, 5, "cpu", "float32", 2, 2, 2, 3, False, None, "skip", "forward", (1, 2), "reader", "none"
    )  # fmt: skip
    options = {name for parameter in command.params for name in parameter.opts}
    assert {text for text in arguments_of(full, ["a"]) if text.startswith("--")} <= options
