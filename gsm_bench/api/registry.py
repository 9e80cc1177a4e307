"""The registry as DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gsm_bench.layouts.rows import lists_there

if TYPE_CHECKING:
    import pandas

    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace


def models_frame(manifest: Manifest, workspace: Workspace) -> pandas.DataFrame:
    """A row per model, 8f before 12f."""
    import pandas

    rows = []
    for entry in manifest.matching_models([]):
        printed = entry.published_for(1, entry.split) or entry.published_for(entry.clips, entry.split)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "network": entry.network,
                "temporal": entry.temporal,
                "frames": entry.frames,
                "clips": entry.clips,
                "crops": entry.crops,
                "dataset": entry.dataset,
                "split": entry.split,
                "published_top1": None
                if printed is None or printed.top1_percent is None
                else printed.top1_percent / 100,
                "checkpoint": str(workspace.checkpoint_path(entry.checkpoint.file)),
                "checkpoint_here": workspace.checkpoint_path(entry.checkpoint.file).is_file(),
                "scored": workspace.score_path(entry.dataset, entry.split, entry.name).is_file(),
                "source": str(manifest.origins["models", entry.name].file),
            }
        )
    return pandas.DataFrame(rows)


def datasets_frame(manifest: Manifest, workspace: Workspace) -> pandas.DataFrame:
    """A row per split."""
    import pandas

    rows = [
        {
            "dataset": entry.name,
            "title": entry.title,
            "split": name,
            "videos": split.videos,
            **{f"{task}_classes": count for task, count in entry.tasks.items()},
            "folder": str(workspace.data / entry.folder),
            "here": name in lists_there(workspace.data / entry.folder, entry),
        }
        for entry in manifest.datasets.values()
        for name, split in entry.splits.items()
    ]
    return pandas.DataFrame(rows).astype({"videos": "Int64"})


def ensembles_frame(manifest: Manifest) -> pandas.DataFrame:
    """A row per member, with its weight before division by the sum."""
    import pandas

    rows = [
        {
            "ensemble": entry.name,
            "title": entry.title,
            "space": entry.space,
            "model": member.model,
            "clips": member.clips,
            "weight": member.weight,
            "temperature": member.temperature,
        }
        for entry in manifest.ensembles.values()
        for member in entry.members
    ]
    return pandas.DataFrame(rows)
