"""The house holds its one direction: imports are read from the sources, heavy modules are watched at run time."""

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gsm_bench"
# Modules at the top that every room may use, each with the ones that it may use itself.
SHARED = {
    "errors": set(),
    "cpu_count": set(),
    "usable_memory": set(),
    "id_array": set(),
    "geometry": set(),
    "actions": set(),
    "signatures": set(),
    "printable": set(),
    "provenance": set(),
    "places": set(),
    "run_origin": {"places"},
    "fingerprints": {"id_array"},
    "settings": set(),
    "sampling": {"settings"},
    "sampling_rules": {"sampling", "settings"},
    "files": {"errors"},
    "workspace": {"errors", "places"},
    "entries": {"geometry", "errors", "sampling_rules", "settings"},
    "layouts": {"entries", "errors", "id_array", "settings"},
    "manifest_files": {"entries", "errors", "workspace"},
    "entry_validation": {"entries", "errors", "manifest_files", "sampling_rules", "settings"},
    "manifest": {"entries", "entry_validation", "errors", "manifest_files", "workspace"},
    "local_manifest": {"entries", "errors", "workspace", "manifest", "files", "settings"},
    "network_code": {"errors"},
    "permissions": {"entries", "errors", "files", "network_code"},
    "splits": {"entries", "errors", "files", "id_array", "layouts", "manifest", "actions"},
    "processes": {"errors"},
    "hdf5_check": set(),
    "hdf5_reader": {"hdf5_check"},
    "hdf5_texts": {"hdf5_reader"},
    "hdf5_writer": set(),
    "checksums": {"hdf5_check", "hdf5_reader"},
    "score_head": {
        "fingerprints",
        "geometry",
        "hdf5_check",
        "hdf5_reader",
        "hdf5_texts",
        "id_array",
        "provenance",
        "settings",
    },
    "row_windows": {"checksums", "errors"},
    "score_writer": {"checksums", "errors", "files", "hdf5_writer", "score_head"},
    "scorefile": {
        "checksums",
        "errors",
        "hdf5_check",
        "hdf5_reader",
        "hdf5_texts",
        "id_array",
        "row_windows",
        "score_head",
        "score_writer",
    },
    "featurefile": {"errors", "id_array", "score_head", "scorefile", "workspace"},
}
# What each room may use beside itself and the shared modules, from the bottom of the house to its top.
ROOMS = {
    "kernels": set(),
    "downloads": set(),
    "metrics": {"kernels"},
    "ensembles": {"kernels", "metrics"},
    "evaluation": {"kernels", "metrics", "ensembles"},
    "selection": {"kernels", "metrics", "ensembles", "evaluation"},
    "tables": {"metrics", "ensembles", "evaluation", "selection"},
    "submit": {"metrics", "ensembles", "evaluation", "tables"},
    "importers": {"metrics", "submit"},
    "exporters": {"metrics", "ensembles", "importers"},
    "figures": {"metrics", "ensembles", "evaluation", "selection", "tables"},
    "report": {"metrics", "ensembles", "evaluation", "selection", "tables"},
    "shapes": set(),
    "nets": {"metrics"},
    "frames": set(),
    "scoring": {"nets", "frames", "metrics", "ensembles"},
    "train": {"metrics", "nets", "frames", "shapes", "scoring"},
    "bench": {"nets", "frames", "scoring", "ensembles", "evaluation", "tables"},
    "trust": {"kernels", "nets", "frames", "scoring", "metrics", "ensembles", "evaluation", "tables"},
    "api": {
        "importers",
        "metrics",
        "ensembles",
        "evaluation",
        "selection",
        "tables",
        "submit",
        "figures",
        "frames",
        "report",
        "scoring",
        "trust",
    },
}
FRONT = {"cli", "__init__", "__main__"}
HEAVY_ROOMS = {"nets", "frames", "scoring", "train", "bench", "trust"}
FORBIDDEN = {"utils", "helpers", "common", "base"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, path.relative_to(PACKAGE)


def room(relative):
    return relative.parts[0].removesuffix(".py")


def imports(path):
    """Modules imported anywhere in a file, those for type checking alone left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def test_every_module_has_a_room():
    assert {room(relative) for _, relative in modules()} == SHARED.keys() | ROOMS.keys() | FRONT


def test_rooms_use_only_what_lies_below_them():
    for path, relative in modules():
        here = room(relative)
        if here in FRONT:
            continue
        allowed = {here} | (SHARED[here] if here in SHARED else SHARED.keys() | ROOMS[here])
        for name in imports(path):
            if name.startswith("gsm_bench."):
                assert name.split(".")[1] in allowed, f"{relative} imports {name}"


def test_rooms_are_ordered_from_bottom_to_top():
    """No circle: each room uses rooms that stand above it in the list only."""
    for order in (list(SHARED), list(ROOMS)):
        for at, here in enumerate(order):
            assert (SHARED | ROOMS)[here] <= set(order[:at]), here


def test_modules_import_no_circle():
    """Inside a room, too: modules can be put in an order in which each imports earlier ones only."""
    graph = {}
    for path, relative in modules():
        name = ".".join(("gsm_bench", *relative.with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {other for other in imports(path) if other.startswith("gsm_bench") and other != name}
    TopologicalSorter({name: uses & graph.keys() for name, uses in graph.items()}).prepare()


def test_variables_are_named_after_what_they_hold():
    vague = {"found", "said", "made", "drawn"}
    for path, relative in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            is_stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            name = node.id if is_stored else node.arg if isinstance(node, ast.arg) else None
            assert name not in vague, f"{relative}, line {node.lineno}: {name}"


def test_class_names_are_unique():
    places = defaultdict(list)
    for path, relative in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(relative))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_the_light_side_never_imports_torch():
    for path, relative in modules():
        if room(relative) not in HEAVY_ROOMS and room(relative) != "cli":
            assert (
                not {name.split(".")[0] for name in imports(path)} & {"torch", "torchvision", "safetensors", "PIL"}
                or room(relative) == "shapes"
                or relative.name.startswith("torch_")  # files of torch's own, read after they were looked at
            ), relative


def test_every_layout_has_a_reader():
    from typing import get_args

    from gsm_bench.layouts import READERS, SPLIT_READERS
    from gsm_bench.settings import Layout

    assert [*READERS, *SPLIT_READERS] == list(get_args(Layout))


def test_choices_of_options_come_from_one_place():
    """No command lists values that `gsm_bench.settings` holds."""
    from typing import get_args

    from gsm_bench import settings

    literals = {get_args(value) for value in vars(settings).values() if get_args(value)}
    assert len(literals) > 10
    for path, relative in modules():
        if relative.name == "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.List) and all(isinstance(item, ast.Constant) for item in node.elts):
                assert tuple(item.value for item in node.elts) not in literals, f"{relative}, line {node.lineno}"
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
                assert ast.literal_eval(node.slice) not in literals, f"{relative}, line {node.lineno}"


def test_there_are_no_junk_drawers():
    assert not [relative for _, relative in modules() if relative.stem in FORBIDDEN]


def loaded_by(arguments, cwd):
    """Top-level modules loaded by a command line."""
    code = (
        "import sys, json\nfrom gsm_bench.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as stopped:\n    status = stopped.code\n"
        "print(json.dumps([status, sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return json.loads(ran.stderr.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "models list",
        "ensemble --help",
        "evaluate scores/toy/val/a.h5",
        "ensemble --members scores/toy/val/a.h5,scores/toy/val/a.h5",
        "table 4 --partial",
        "table 6 --partial",
        "table",
        "table 3 --partial --format latex",
        "compare scores/toy/val/a.h5 scores/toy/val/a.h5@2 --power",
        "evaluate --definitions",
        "submit epic100 --help",
        "submit log",
    ],
)
def test_light_commands_never_load_torch(command, workspace, toy_labels, save_scores):
    import numpy as np

    save_scores("a", np.random.default_rng(0).standard_normal((60, 2, 5)))
    status, loaded = loaded_by(command.split(), workspace.root)
    assert status == 0
    assert not set(loaded) & {"torch", "torchvision", "pandas", "scipy", "PIL"}


def test_help_loads_almost_nothing(workspace):
    _, loaded = loaded_by(["--help"], workspace.root)
    assert not set(loaded) & {"numpy", "h5py", "rich", "msgspec"}


def test_works_where_torch_is_absent(workspace, toy_labels, save_scores):
    """The light commands run, and the heavy one says what to install, with torch made impossible to import."""
    import numpy as np

    save_scores("a", np.random.default_rng(0).standard_normal((60, 2, 5)))
    block = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'safetensors', 'PIL'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from gsm_bench.cli import main\nmain(sys.argv[1:])"
    )

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", block, *arguments], cwd=workspace.root, capture_output=True, text=True, check=False
        )

    for light in (
        ["models", "list"],
        ["models", "show", "inv3_8f"],
        ["evaluate", "scores/toy/val/a.h5"],
        ["table", "4", "--partial"],
        ["ensemble", "En3x2", "--explain"],
    ):
        ran = run(*light)
        assert ran.returncode == 0, ran.stderr
    heavy = run("score", "--model", "toy_4f")
    assert heavy.returncode == 1
    assert "gsm-bench[score]" in heavy.stderr
    assert "Traceback" not in heavy.stderr


def test_all_text_goes_to_the_terminal_by_one_door():
    """Control characters are escaped in `cli.console`."""
    writers = [path.name for path in (PACKAGE / "cli").glob("*.py") if "click.echo(" in path.read_text()]
    assert sorted(writers) == ["console.py", "reference.py"]
    assert not [path for path in PACKAGE.rglob("*.py") if re.search(r"(?<![\w.])print\(", path.read_text())]
