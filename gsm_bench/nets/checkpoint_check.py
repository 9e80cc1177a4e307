"""Whether a checkpoint is the one of an entry: keys, frames, gates and hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gsm_bench.entries import ModelEntry
from gsm_bench.files import file_sha256
from gsm_bench.nets.checkpoint import Checkpoint, Fit, choose_weights, compare_keys
from gsm_bench.nets.checkpoint_content import read_checkpoint, stated_frames, stated_gate
from gsm_bench.nets.identify import gate_of
from gsm_bench.nets.registry import network_for


@dataclass(frozen=True)
class CheckpointCheck:
    """What a checkpoint holds, beside what its entry says.

    Attributes:
        checkpoint: its weights, those chosen for the network.
        fit: its keys compared with those of the network.
        sha256: of the file.
        frames: frames per clip that the file states; None if it does not.
        gate: activation of the gates that the file states; None if it does not.
        network_gate: that of the network of the entry; None without gates.
    """

    entry: ModelEntry
    checkpoint: Checkpoint
    fit: Fit
    sha256: str
    frames: int | None
    gate: str | None
    network_gate: str | None

    @property
    def other_frames(self) -> bool:
        """Whether the file states another number of frames than the entry."""
        return self.frames is not None and self.frames != self.entry.frames

    @property
    def other_gate(self) -> bool:
        """Whether the file states other gates than the network of the entry has."""
        return bool(self.gate and self.network_gate and self.gate != self.network_gate)

    @property
    def pinned(self) -> bool:
        """Whether the file is the one whose sha256 the entry has."""
        return self.sha256 == self.entry.checkpoint.sha256

    def fits(self, *, any_hash: bool = False) -> bool:
        """Whether the file can be used as the checkpoint of the entry; `any_hash` accepts another file than the pinned one."""
        right_file = self.pinned or any_hash or not self.entry.checkpoint.sha256
        return self.fit.complete and not self.other_frames and not self.other_gate and right_file


def compare_with_entry(entry: ModelEntry, path: Path, search: Path | None = None) -> CheckpointCheck:
    """Read a checkpoint and compare it with its entry.

    Args:
        search: folder in which the code of a named network is looked up first.

    Raises:
        CheckpointError: there is no such file, it holds code, or several sets of weights fit.
        NetworkError: the network cannot be built.
    """
    network, checkpoint = network_for(entry, search=search), read_checkpoint(path)
    checkpoint = choose_weights(network, checkpoint, entry.ignore_keys, entry.checkpoint.weights)
    return CheckpointCheck(
        entry,
        checkpoint,
        compare_keys(network, checkpoint, entry.ignore_keys),
        file_sha256(path),
        stated_frames(checkpoint),
        stated_gate(checkpoint),
        gate_of(network),
    )
