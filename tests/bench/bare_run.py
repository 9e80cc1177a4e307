"""Run a script as on a machine that has torch, torchvision, numpy, h5py and Pillow only: ``bare_run.py SCRIPT ARGUMENTS``."""

import importlib.metadata
import runpy
import sys
from importlib.machinery import PathFinder

INSTALLED = {
    "torch", "torchgen", "torchvision", "functorch", "triton", "numpy", "h5py", "pil", "pillow",
    "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "setuptools", "sympy", "typing_extensions",
}  # fmt: skip
"""What is asked for, and what it depends on."""


class BareFinder(PathFinder):
    """Finds no other package in site-packages, and no other distribution."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if path is None and spec is not None and name.partition(".")[0].lower() not in INSTALLED:
            places = [spec.origin or "", *(spec.submodule_search_locations or [])]
            if any("site-packages" in place or "dist-packages" in place for place in places):
                return None
        return spec

    @staticmethod
    def find_distributions(*context):
        found = importlib.metadata.MetadataPathFinder.find_distributions(*context)
        return (each for each in found if (each.metadata["Name"] or "").lower() in INSTALLED)


if __name__ == "__main__":
    sys.meta_path = [BareFinder if finder is PathFinder else finder for finder in sys.meta_path]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
