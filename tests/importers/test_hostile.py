"""Hostile and broken files: nothing of them runs, each ends in one clear error, in 1 GB."""

import copyreg
import os
import pickle
import subprocess
import sys

import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.pickles import load
from tests.importers.hostile import COMMAND, FILES, system

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from gsm_bench.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("name", FILES)
def test_hostile_files_end_in_one_clear_error(name, workspace):
    content, says = FILES[name]
    (workspace.root / "dump.pkl").write_bytes(content)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # each of its threads maps memory of its own
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, "import", "dump.pkl"],
        cwd=workspace.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not (workspace.root / "canary").exists(), "it was run"
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("error: ") == 1
    assert says in ran.stderr
    assert "fix:" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list(workspace.scores.rglob("*.h5"))


def test_the_attacks_would_work_elsewhere(workspace):
    """The canary can be left: an unsafe reader leaves it."""
    pickle.loads(system())
    assert (workspace.root / "canary").exists()


def test_an_extension_that_this_process_knows_is_refused(workspace):
    """The standard unpickler answers codes that it has met before without asking find_class."""
    copyreg.add_extension("posix", "system", 0xF0)
    try:
        data = b"\x80\x02\x82\xf0X" + len(COMMAND).to_bytes(4, "little") + COMMAND.encode() + b"\x85R."
        pickle.loads(b"\x80\x02\x82\xf0.")  # remembered from here on
        with pytest.raises(DumpError, match="the registered extension 240"):
            load(data, "dump.pkl")
    finally:
        copyreg.remove_extension("posix", "system", 0xF0)
        copyreg.clear_extension_cache()
    assert not (workspace.root / "canary").exists()


def test_refusals_say_what_not_to_do():
    with pytest.raises(DumpError, match="do not load it elsewhere either"):
        load(system(), "dump.pkl")
