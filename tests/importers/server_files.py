"""Files for the EPIC-KITCHENS servers, made from random scores."""

import json
import zipfile

import numpy as np

from tests.epic_files import CLASSES_55, CLASSES_100

IDS_55 = ("100", "101", "102", "107")
IDS_100 = tuple(f"P01_101_{at}" for at in range(5))


def results(ids, dataset="epic-100", *, seed=0, kind="logits"):
    """Verbs and nouns by segment; the scores of a segment do not depend on the others."""
    rows = {}
    for name in ids:
        rng = np.random.default_rng([seed, *name.encode()])
        rows[name] = {}
        for task, classes in (CLASSES_55 if dataset == "epic-55" else CLASSES_100).items():
            scores = 3 * rng.standard_normal(classes)
            if kind == "probabilities":
                scores = np.exp(scores) / np.exp(scores).sum()
            rows[name][task] = dict(zip(map(str, range(classes)), scores.tolist(), strict=True))
    return rows


def document(dataset="epic-100", *, ids=None, rows=None, seed=0, kind="logits", **levels):
    ids = ids or (IDS_55 if dataset == "epic-55" else IDS_100)
    return {
        "version": "0.1" if dataset == "epic-55" else "0.2", "challenge": "action_recognition", **levels,
        "results": rows or results(ids, dataset, seed=seed, kind=kind),
    }  # fmt: skip


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return path
