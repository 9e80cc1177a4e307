"""What is registered: models, data sets, ensembles, their papers, and which code may run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.bench.workspace import OpenWorkspace

if TYPE_CHECKING:
    import pandas


class RegistryMethods(OpenWorkspace):
    """Entries of the registry as data frames."""

    def models(self) -> pandas.DataFrame:
        """A row per model, with ``scored``: whether the score file of its own split is there."""
        from gsm_bench.api.registry import models_frame

        return models_frame(self.manifest, self.workspace)

    def datasets(self) -> pandas.DataFrame:
        """A row per split of each data set, with ``here``: whether its list is in the workspace."""
        from gsm_bench.api.registry import datasets_frame

        return datasets_frame(self.manifest, self.workspace)

    def ensembles(self) -> pandas.DataFrame:
        """A row per member of each ensemble."""
        from gsm_bench.api.registry import ensembles_frame

        return ensembles_frame(self.manifest)

    def cite(self, *names: str) -> str:
        """BibTeX of the papers of models, of the members of ensembles, and of this tool."""
        from gsm_bench.api.citing import references

        return references(names, self.manifest, self.workspace)[0]

    def trust(self, *models: str) -> list[Path]:
        """Allow the code of these models to run until one of its files changes, as ``gsmbench trust allow`` does.

        Code can do whatever you can: allow only what you have read, or whose author you trust.

        Returns:
            The files of the workspace that may run now and could not before.
        """
        from gsm_bench.permissions import allow, missing_permissions

        missing = missing_permissions([self.manifest.model(name) for name in models], self.workspace.root)
        for code in missing.values():
            allow(code)
        return [self.workspace.root / file for code in missing.values() for file in code.sources]
