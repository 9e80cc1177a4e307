"""The examples in docs/examples, as far as they run without their programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A `gsmbench` that prints its words."""
    path = tmp_path / "bin" / "gsmbench"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{path.parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_batch_script_scores(stub, gsmbench):
    script = EXAMPLES / "score.sbatch"
    ran = subprocess.run(
        ["bash", script], env={**stub, "MODEL": "m", "SLURM_CPUS_PER_TASK": "16"}, capture_output=True, text=True
    )
    words = ["score", "--model", "m", "--workers", "16", "--json-progress"]
    assert ran.stdout.strip() == str(words)
    options = gsmbench("score", "--help").out
    assert all(word in options for word in words if word.startswith("--"))
    refused = subprocess.run(["bash", script], env=stub, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "name the model" in refused.stderr


def test_the_image_is_built_from_what_the_package_offers():
    text = (EXAMPLES / "Dockerfile").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    extras = text.partition("/source[")[2].partition("]")[0].split(",")
    assert extras
    assert all(f"\n{extra} = [" in project for extra in extras)


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert citation["references"][0]["title"] == "Gate-Shift Networks for Video Action Recognition"
