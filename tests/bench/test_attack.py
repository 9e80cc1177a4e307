"""`benchmarks/attack.py` at a toy size: it runs, kills what it says, and its page has its counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks/attack.py"
RESULTS = ROOT / "benchmarks/results/attack.json"


@pytest.fixture(autouse=True)
def script():
    if not SCRIPT.exists():
        pytest.skip("benchmarks are not part of the sdist")


def test_at_toy_size(tmp_path):
    arguments = {
        "--only": "kills,writers,mutations", "--commands": "ensemble,models add", "--kills": 8, "--shared-kills": 0,
        "--writers": 8, "--kinds": "score file;ledger", "--mutations": 30, "--out": tmp_path / "attack.json",
    }  # fmt: skip
    words = [str(word) for pair in arguments.items() for word in pair]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    results = json.loads((tmp_path / "attack.json").read_text())
    faults = sum(part["faults"] for part in results.values())
    assert (done.returncode, faults) == (0, 0), done.stdout + done.stderr
    ensemble = results["kills"]["commands"]["ensemble"]
    assert ensemble["at_events"] >= 3
    assert results["writers"]["processes"] >= 8
    assert results["mutations"]["files"] >= 30
    assert [path.name for path in tmp_path.iterdir()] == ["attack.json"]


@pytest.mark.skipif(not RESULTS.exists(), reason="no results of a whole run are kept")
def test_the_page_has_the_counts_of_the_last_run():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from attack.summary import lines
    finally:
        sys.path.pop(0)
    page = (ROOT / "docs/reliability.md").read_text()
    assert "\n".join(lines(json.loads(RESULTS.read_text()))) in page
