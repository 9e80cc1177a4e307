import json
import subprocess
import sys
from pathlib import Path

import pytest

from gsm_bench import usable_memory
from gsm_bench.trust import environment
from gsm_bench.trust.environment import examine_environment


def fact(workspace, what):
    facts = {fact.what: fact.value for fact in examine_environment(workspace).facts}
    return facts[what]


def test_every_part_is_reported(gsmbench, workspace):
    ran = gsmbench("doctor", "--format", "json")
    assert ran.status == 0
    values = {row["what"]: row["value"] for row in json.loads(ran.out)["rows"]}
    assert values["cores"].split()[0].isdigit()
    assert "free of" in values["memory"] and "free of" in values["disk"]
    assert "numpy" in values["for fusion, metrics, tables"]
    own = int(values["registry"].split(", ")[-1].split()[0])
    assert own > 0  # those of the toy data set


def test_the_block_has_no_home_directory(gsmbench, workspace, monkeypatch):
    monkeypatch.setenv("HOME", str(workspace.root.parent))
    ran = gsmbench("doctor")
    assert str(workspace.root) not in ran.out
    assert f"~/{workspace.root.name}" in ran.out


def test_a_name_that_begins_like_the_home_directory_stays(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert environment._without_home("/home/anna/ws and /home/ann/ws") == "/home/anna/ws and ~/ws"


def test_a_root_home_is_not_replaced(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert environment._without_home("/data/ws") == "/data/ws"


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'torchvision', 'safetensors', 'PIL', 'av', 'simplejpeg'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
from gsm_bench.cli import main
main(sys.argv[1:])
"""


def test_works_without_the_packages_of_scoring(workspace):
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKED, "doctor"], cwd=workspace.root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "torch is not installed" in ran.stdout
    assert ran.stdout.count("pip install 'gsm-bench[score]'") >= 3


def test_a_package_that_cannot_be_imported_is_a_problem(workspace, monkeypatch, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "simplejpeg.py").write_text("raise ImportError('libturbojpeg.so.0: cannot open')")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    monkeypatch.delitem(sys.modules, "simplejpeg", raising=False)
    examined = examine_environment(workspace)
    assert any("simplejpeg is installed and cannot be imported" in problem for problem in examined.problems)


def test_an_old_package_is_a_problem(workspace, monkeypatch):
    versions = {"pillow": "9.5.0"}
    monkeypatch.setattr(environment, "_installed", lambda name: versions.get(name, "99999"))
    problems = examine_environment(workspace).problems
    assert [problem for problem in problems if "older" in problem] == [
        "pillow 9.5.0 is older than 10.2: pip install 'gsm-bench[score]'"
    ]


@pytest.mark.parametrize(
    ("number", "least", "older"),
    [("2.8.0+cu128", "2.8", False), ("2.8rc1", "2.9", True), ("10.10", "10.2", False), ("unknown", "1", True), ("1", "", False)],
)  # fmt: skip
def test_versions_are_compared_by_number(number, least, older):
    assert environment._older(number, least) is older


def test_a_container_limits_memory(workspace, monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1000000000\n")
    monkeypatch.setattr(usable_memory, "CGROUP_LIMIT", limit)
    assert fact(workspace, "memory").endswith("of 1.0 GB")
    limit.write_text("max\n")
    assert not fact(workspace, "memory").endswith("of 1.0 GB")


def test_a_wrong_manifest_is_named_and_the_rest_is_shown(gsmbench, workspace):
    (workspace.manifests / "local.toml").write_text("[models.x\n")
    ran = gsmbench("doctor")
    assert ran.status == 0
    assert "local.toml" in ran.out
    assert "cores" in ran.out


def test_a_workspace_that_does_not_exist_is_one_error(gsmbench, workspace):
    ran = gsmbench("doctor", "--workspace", "nowhere")
    assert (ran.status, "is not a directory" in ran.err) == (1, True)


def test_an_unknown_system_is_reported(workspace, monkeypatch):
    """No /proc: memory is left out."""
    read = Path.read_text

    def refuse(self, *args, **kwargs):
        if str(self).startswith("/proc"):
            raise FileNotFoundError(self)
        return read(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert "memory" not in {fact.what for fact in examine_environment(workspace).facts}
