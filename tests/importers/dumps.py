"""Score dumps in the exact layouts of their projects, written from the same arrays."""

from __future__ import annotations

import pickle

import numpy as np

CLIPS, CLASSES, SEGMENTS = 12, 6, 4


class Source:
    """Logits [N, V, C], labels [N] and everything else that a dump may say."""

    def __init__(self, clips: int = CLIPS, classes: int = CLASSES, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, classes, clips)
        self.logits = rng.standard_normal((clips, SEGMENTS, classes)).astype(np.float32)
        self.logits[np.arange(clips), :, self.labels] += 2
        self.verb = rng.standard_normal((clips, SEGMENTS, 97)).astype(np.float32)
        self.noun = rng.standard_normal((clips, SEGMENTS, 300)).astype(np.float32)
        self.ids = [f"P01_{101 + row // 5}_{row % 5}" for row in range(clips)]

    @property
    def probabilities(self) -> np.ndarray:
        return softmax(self.logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def dump(path, value, protocol=2):
    with path.open("wb") as file:
        pickle.dump(value, file, protocol)


def gsm(path, source):
    one = source.logits[:, :1]
    best = one[:, 0].argmax(1)
    np.savez(path, scores=one, labels=source.labels, predictions=best, cf=np.eye(CLASSES))


def gsf(path, source):
    np.savez(
        path, scores=source.logits[:, 0].astype(np.float64), labels=source.labels, predictions=0, cf=np.eye(CLASSES)
    )


def trn_rows(source):
    rows = np.empty(len(source.logits), object)
    for at, logits in enumerate(source.logits):
        rows[at] = logits[:, None, :]  # (segments, 1, C)
    return rows


def trn(path, source):
    np.savez(path, scores=trn_rows(source), labels=source.labels)


def tsn_pytorch(path, source):
    """Pairs of scores and label."""
    pairs = np.empty((len(source.logits), 2), object)
    for at, (logits, label) in enumerate(zip(source.logits, source.labels, strict=True)):
        pairs[at, 0], pairs[at, 1] = logits[:, None, :], int(label)
    np.savez(path, scores=pairs, labels=source.labels)


def trn_even(path, source):
    """What numpy makes of videos with equal numbers of segments."""
    np.savez(path, scores=source.logits[:, :, None, :], labels=source.labels)


def mmaction2(path, source):
    import torch

    rows = [
        {
            "gt_label": torch.tensor([int(label)]),
            "pred_score": torch.from_numpy(row[0].copy()),
            "pred_label": torch.tensor([int(row[0].argmax())]),
            "num_classes": 6,
        }
        for row, label in zip(source.probabilities, source.labels, strict=True)
    ]
    dump(path, rows)


def mmaction2_dev(path, source):
    import torch

    rows = [
        {"gt_labels": {"item": torch.tensor([int(label)])}, "pred_scores": {"item": torch.from_numpy(row[0].copy())}}
        for row, label in zip(source.probabilities, source.labels, strict=True)
    ]
    dump(path, rows)


def mmaction2_old(path, source):
    dump(path, [row[0] for row in source.probabilities], 4)


def pyslowfast(path, source):
    import torch

    dump(path, [torch.from_numpy(source.probabilities.sum(1)), torch.from_numpy(source.labels)])


def epic_slowfast(path, source):
    dump(
        path,
        {
            "verb_output": softmax(source.verb).sum(1),
            "noun_output": softmax(source.noun).sum(1),
            "narration_id": np.array(source.ids),
        },
    )


def epic_baseline(path, source):
    rows = [
        {
            "verb_output": source.verb[at, 0],
            "noun_output": source.noun[at, 0],
            "narration_id": name,
            "video_id": name.rsplit("_", 1)[0],
        }
        for at, name in enumerate(source.ids)
    ]
    dump(path, rows)


def epic_baseline_arrays(path, source):
    videos = [name.rsplit("_", 1)[0] for name in source.ids]
    arrays = {"verb_output": source.verb[:, 0], "noun_output": source.noun[:, 0]}
    dump(path, {**arrays, "narration_id": np.array(source.ids), "video_id": np.array(videos)})


def tbn(path, source):
    dump(
        path,
        {
            "verb_output": source.verb[:, :, None],
            "noun_output": source.noun[:, :, None],
            "narration_id": np.array([[name] for name in source.ids]),
        },
    )


def tbn_old(path, source):
    dump(path, {"scores": {"verb": source.verb[:, :, None], "noun": source.noun[:, :, None]}})


def mtcn(path, source):
    ids = np.array([[name] for name in source.ids])
    dump(path, {"verb_output": source.verb[:, 0], "noun_output": source.noun[:, 0], "narration_id": ids})


def videomae(folder, source):
    """Files of two processes; the second begins with a padded double of the first clip."""
    lines: list[list[str]] = [[], []]
    for row in [*range(len(source.logits)), 0]:
        rank = 1 if row % 2 or len(lines[0]) > 6 * 4 - 1 else 0
        for chunk in (0, 1):
            for split in (0, 1):
                logits = source.logits[row, 2 * chunk + split].tolist()
                lines[rank].append(f"{source.ids[row]}.mp4 {logits} {source.labels[row]} {chunk} {split}\n")
    for rank in (0, 1):
        (folder / f"{rank}.txt").write_text("91.5, 98.0\n" + "".join(lines[rank]))


def tdn(folder, source):
    for clip in (0, 1):
        for crop in (0, 1):
            logits = source.logits[:, 2 * clip + crop, None]
            rows = [[row, int(label)] for row, label in zip(logits, source.labels, strict=True)]
            dump(folder / f"{clip}_crop{crop}.pkl", rows)
