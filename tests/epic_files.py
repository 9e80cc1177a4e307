"""Small annotation files in the layouts of EPIC-KITCHENS, made up for the tests."""

from pathlib import Path

CLASSES_55 = {"verb": 125, "noun": 352}
CLASSES_100 = {"verb": 97, "noun": 300}


def write_epic_55(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    stamp = "00:00:00.00,00:00:01.00"
    _write(
        root / "EPIC_train_action_labels.csv",
        "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes",
        [
            f"0,P01,P01_01,wash cup,{stamp},1,60,wash,3,cup,2,['cup'],[2]",
            f"1,P01,P01_01,take pan,{stamp},30,90,take,0,pan,1,['pan'],[1]",
            f"""2,P02,P02_01,"take pot, then lid",{stamp},5,9,take,0,pot,10,"['pot', 'lid']","[10, 11]\"""",
            f"5,P02,P02_01,take pan,{stamp},50,99,take,0,pan,1,['pan'],[1]",
        ],
    )
    header = "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame"
    rows = ["100,P01,P01_11,{},1,40", "101,P01,P01_11,{},20,50", "102,P02,P02_11,{},7,9", "107,P03,P03_02,{},1,300"]
    _write(root / "EPIC_test_s1_timestamps.csv", header, [row.format(stamp) for row in rows])
    rows = ["200,P09,P09_01,{},1,40", "203,P09,P09_02,{},20,50"]
    _write(root / "EPIC_test_s2_timestamps.csv", header, [row.format(stamp) for row in rows])
    for task, classes in CLASSES_55.items():
        rows = [f"{at},{task} {at},\"['{task} {at}']\"" for at in range(classes)]
        _write(root / f"EPIC_{task}_classes.csv", f"{task}_id,class_key,{task}s", rows)


def write_epic_100(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    stamp = "00:00:00.500,00:00:00.00,00:00:01.00"
    head = (
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame"
    )
    _write(
        root / "EPIC_100_validation.csv",
        f"{head},narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes",
        [
            f"P01_11_0,P01,P01_11,{stamp},1,40,take plate,take,0,plate,2,['plate'],[2]",
            f"P01_11_1,P01,P01_11,{stamp},20,50,put plate,put,1,plate,2,['plate'],[2]",
            f"P18_02_0,P18,P18_02,{stamp},1,300,open tap,open,4,tap,5,['tap'],[5]",
        ],
    )
    rows = [f"P01_101_{at},P01,P01_101,{stamp},{1 + 9 * at},{20 + 9 * at}" for at in range(5)]
    _write(root / "EPIC_100_test_timestamps.csv", head, rows)
    for task, classes in CLASSES_100.items():
        rows = [f"{at},{task} {at},\"['{task} {at}']\",kind" for at in range(classes)]
        _write(root / f"EPIC_100_{task}_classes.csv", "id,key,instances,category", rows)
    _write(root / "EPIC_100_tail_verbs.csv", "verb", ["4"])
    _write(root / "EPIC_100_tail_nouns.csv", "noun", ["5", "9"])
    _write(root / "EPIC_100_unseen_participant_ids_validation.csv", "participant_id", ["P18"])


def _write(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n")
