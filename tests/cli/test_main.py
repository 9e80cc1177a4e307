import errno

import click
import h5py
import pytest

from gsm_bench import cli
from gsm_bench.files import aside


@pytest.fixture
def raising(monkeypatch, gsmbench):
    """Call the command line with a command that ends in an exception."""

    def call(command, error):
        def fail():
            raise error

        monkeypatch.setattr(
            cli.LazyGroup, "get_command", lambda *_: click.Command(command, callback=fail), raising=True
        )
        return gsmbench(command)

    return call


@pytest.mark.parametrize(("command", "resumes"), [("score", True), ("pack", True), ("ensemble", False)])
def test_stopped_by_hand(raising, capsys, command, resumes):
    with pytest.raises(KeyboardInterrupt):
        raising(command, click.exceptions.Abort())
    message = capsys.readouterr().err
    assert message.startswith("stopped")
    assert ("run the same command again to continue" in message) == resumes


def test_an_error_of_an_unfinished_file_names_the_file(raising, tmp_path):
    unfinished = aside(tmp_path / "report.html")
    ran = raising("report", FileNotFoundError(errno.ENOENT, "No such file or directory", str(unfinished)))
    assert ran.err.splitlines()[1] == f"  where: {tmp_path / 'report.html'}"


def test_an_error_of_a_descriptor_names_no_file(raising):
    ran = raising("report", OSError(errno.EBADF, "Bad file descriptor", 7))
    assert ran.err.splitlines()[:2] == [
        "error: Bad file descriptor",
        "  fix:   check the path, its permissions and the disk",
    ]


def test_a_full_disk_is_said_in_one_line(raising):
    said = (
        "Unable to synchronously create file (file write failed: time = now\n, filename = '/full/a.h5', "
        "file descriptor = 3, errno = 28, error message = 'No space left on device', buf = 0x1)"
    )
    ran = raising("score", OSError(errno.ENOSPC, said))
    assert ran.status == 1
    assert ran.err.splitlines()[:2] == ["error: No space left on device", "  where: /full/a.h5"]


def test_an_error_of_hdf5_itself(raising, tmp_path):
    with pytest.raises(OSError, match="Unable") as failed:
        h5py.File(tmp_path / "none" / "a.h5", "w")
    ran = raising("evaluate", failed.value)
    assert ran.err.splitlines()[0].endswith("No such file or directory")
    assert "\n, " not in ran.err
