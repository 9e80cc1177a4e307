"""`Bench`: a workspace with its registry, the one object that is handed around."""

from __future__ import annotations

from gsm_bench.api.bench.display import DisplayMethods
from gsm_bench.api.bench.examination import ExaminationMethods
from gsm_bench.api.bench.files import FileMethods
from gsm_bench.api.bench.registry import RegistryMethods


class Bench(RegistryMethods, DisplayMethods, FileMethods, ExaminationMethods):
    """A workspace and its registry.

    Every method returns what the command of the same name prints; numbers are equal to the last bit. Names are those of
    the command line: models, ensembles, score files, ``inv3_8f@2`` for two clips. Score files may be given open, too.

    Args:
        workspace: a directory; $GSMBENCH_HOME, else the current directory if None.

    Attributes:
        workspace: the directory and the places in it.
        manifest: all entries of the registry.
    """
