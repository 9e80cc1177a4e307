"""Build hook that compiles `compiled` on installation; without a compiler, `plain` replaces it.

A hook of hatchling, named in pyproject.toml; not imported at run time.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "gsm_bench.kernels.compiled"
OPTIONS = [] if sys.platform == "win32" else ["-O3", "-g0", "-ffp-contract=off"]
"""Vector code, with products rounded before they are added, as in numpy."""


class KernelHook(BuildHookInterface[Any]):
    """Compiles the kernels beside their source and puts them into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernels; hatchling calls this before it collects the files of a wheel or an editable installation."""
        if self.target_name != "wheel":
            return
        try:
            built = compile_kernels(Path(self.root))
        except (Exception, SystemExit) as error:
            self.app.display_warning(f"kernels not compiled; numpy replaces them at half the speed: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(built.relative_to(self.root)))


def compile_kernels(root: Path) -> Path:
    """Compile the kernels in place; returns the path of the library."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    folder = root / "gsm_bench" / "kernels"
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "compiled.pyx"  # generated files stay outside the tree
        source.write_text((folder / "compiled.pyx").read_text())
        extension = Extension(MODULE, [str(source)], include_dirs=[str(folder)], extra_compile_args=OPTIONS)
        extensions = cythonize([extension], quiet=True)
        command = Distribution({"name": "gsm_bench", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(root), str(Path(work) / "objects")
        command.ensure_finalized()
        command.run()
        return Path(command.get_ext_fullpath(MODULE))
