"""The layers of a model as a table, for ``models show --layers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gsm_bench.entries import ModelEntry
    from gsm_bench.tables.table import Table

NOTES = (
    "Output: height x width x channels, for one frame.",
    "Batch norm and ReLU follow each of these convolutions.",
)


def layers_table(entry: ModelEntry) -> Table:
    """Kernel, stride and output size of each layer and block of a built-in network.

    Raises:
        NetworkError: the network is the user's own, which `models show` does not run, or cannot be built.
    """
    from gsm_bench.entries import OWN_NETWORKS
    from gsm_bench.errors import NetworkError
    from gsm_bench.tables.table import Column, Table

    if entry.network not in OWN_NETWORKS:
        fix = "name a model with one of the networks " + ", ".join(OWN_NETWORKS)
        raise NetworkError(f"{entry.name} runs {entry.network}, whose layers are not listed", fix=fix)
    import torch

    from gsm_bench.nets.layers import network_layers
    from gsm_bench.nets.registry import network_for
    from gsm_bench.nets.segment import SegmentNetwork

    with torch.device("meta"):
        network = network_for(entry)
    assert isinstance(network, SegmentNetwork)
    rows = tuple(
        {
            "name": row.name or None,
            "kind": row.kind,
            "kernel": row.kernel or None,
            "output": row.output,
            "gates": ", ".join(row.gates) or None,
            **({"gates_shown": f"all {len(row.gates)} branches"} if len(row.gates) > 1 else {}),
            "height": row.height,
            "width": row.width,
            "channels": row.channels,
        }
        for row in network_layers(network, entry.input.size)
    )
    columns = [Column("name", "Layer"), Column("kind", "Type"), Column("kernel", "Kernel/stride")]
    columns += [Column("output", "Output size")]
    columns += [Column("gates", "Gate after")] if any(row["gates"] for row in rows) else []
    title = f"{entry.name}: {entry.title}, input {entry.input.size} x {entry.input.size}"
    return Table(title, tuple(columns), (rows,), NOTES, name="layers")
