"""The formats of score dumps: one line each. Reading, the command line's choices and its help all derive from it.

A new format is one module of this room and one line here.
"""

from __future__ import annotations

from dataclasses import dataclass

TABLE_OPTIONS = ("skip_columns", "id_column", "label_column")


@dataclass(frozen=True)
class DumpFormat:
    """A way in which a project writes its scores.

    Attributes:
        title: whose format it is and what it looks like, in a few words.
        reader: module and ending of two functions: ``mmaction2.new`` has `fits_new` and `read_new`.
        several_files: whether one test run leaves several files.
        sums: whether its rows may be sums of softmax outputs over views.
        options: fields of `ReadOptions` that apply to it.
        by_name_only: never detected, because another format looks the same.
    """

    title: str
    reader: str
    several_files: bool = False
    sums: bool = False
    options: tuple[str, ...] = ()
    by_name_only: bool = False


# Detection tries them in this order.
FORMATS: dict[str, DumpFormat] = {
    "npz": DumpFormat("an .npz table with ids", "arrays.npz"),
    "ranked": DumpFormat("results for Something-Something V2: the five best classes", "result_files.ranked"),
    "one-class": DumpFormat("one class per video, without scores", "result_files.one_class"),
    "kinetics": DumpFormat("results for Kinetics: labels with scores", "result_files.kinetics"),
    "epic-server": DumpFormat("a file for an EPIC-KITCHENS server", "epic_server.file", sums=True),
    "mmaction2": DumpFormat("mmaction2 1.x: a list of dicts", "mmaction2.new", options=("head",)),
    "pyslowfast": DumpFormat("PySlowFast: [sum of softmax, labels]", "pyslowfast.pair", sums=True),
    "tdn": DumpFormat("TDN: a list of [scores, label]", "tdn.pairs", several_files=True),
    "mmaction2-0.x": DumpFormat("mmaction2 0.x or pyskl: a list of arrays", "mmaction2.old"),
    "tbn": DumpFormat("TBN: verb and noun scores per segment", "epic.tbn"),
    "epic-arrays": DumpFormat(
        "EPIC-100 SlowFast, MTCN or a baseline: a dict of verb and noun arrays", "epic.arrays", sums=True
    ),
    "epic-baseline": DumpFormat("the EPIC-100 baselines: a list of dicts", "epic.baseline", sums=True),
    "epic-slowfast": DumpFormat(
        "EPIC-100 SlowFast: a dict of verb and noun arrays", "epic.slowfast", sums=True, by_name_only=True
    ),
    "mtcn": DumpFormat("MTCN: a dict of verb and noun arrays", "epic.mtcn", sums=True, by_name_only=True),
    "trn": DumpFormat("tsn-pytorch or TRN: scores per segment", "gate_shift.trn"),
    "gsm": DumpFormat("the GSM release: scores (N, 1, C)", "gate_shift.gsm"),
    "gsf": DumpFormat("the GSF release: scores (N, C)", "gate_shift.gsf"),
    "videomae": DumpFormat("VideoMAE or InternVideo2: a line per view", "videomae.text", several_files=True),
    "internvideo2": DumpFormat("InternVideo2: a line per view", "videomae.text", several_files=True, by_name_only=True),
    "parquet": DumpFormat("a parquet table", "tabular.parquet", options=TABLE_OPTIONS),
    "csv": DumpFormat("a csv table", "tabular.csv", options=TABLE_OPTIONS),
    "plain": DumpFormat("plain ids, scores and labels", "plain_forms.any"),
}
CHOICES = ("auto", *FORMATS)
