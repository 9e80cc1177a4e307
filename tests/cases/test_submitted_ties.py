"""Actions that tie, or nearly tie, at the last place of a submission: it is written, and its ranking is that of the scores."""

import numpy as np
import pytest

from tests.cases.score_cases import SCORES, place
from tests.epic_files import write_epic_100

LEVELS = ("--sls-pt", 1, "--sls-tl", 3, "--sls-td", 3)


def test_actions_that_tie_at_the_last_place_are_written(gsmbench, workspace):
    write_epic_100(workspace.data / "epic-100")
    timestamps = workspace.data / "epic-100" / "EPIC_100_test_timestamps.csv"
    header, first, *_ = timestamps.read_text().splitlines()
    timestamps.write_text(f"{header}\n{first.replace('P01_101_0', 'P36_101_79')}\n")
    row = np.load(SCORES / "row_P36_101_79.npz")
    np.savez("row.npz", narration_id=["P36_101_79"], verb_output=row["verb"][None], noun_output=row["noun"][None])
    ran = gsmbench("import", "row.npz", "--dataset", "epic-100", "--split", "test")
    assert ran.status == 0, ran.err
    ran = gsmbench("submit", "epic100", "--scores", place("row"), *LEVELS)
    assert ran.status == 0, ran.err
    assert gsmbench("check", ran.out.strip()).status == 0


@pytest.mark.parametrize("tied", [2, 3, 6])
@pytest.mark.parametrize("gap", [2.0**-22, 2.0**-21, 2.0**-20])
def test_a_near_tie_below_a_tie_at_the_last_place(tied, gap, gsmbench, workspace):
    """Pairs 100 and on tie exactly; the next lies a little lower, and comes last by its numbers."""
    write_epic_100(workspace.data / "epic-100")
    verb, noun = (np.tile(-20 - 0.01 * np.arange(classes), (5, 1)) for classes in (97, 300))
    verb[:, :3] = 0, -1, -2.5
    noun += 0.001 * np.arange(5)[:, None]
    noun[:, 200:220] = 2.8 + 0.01 * np.arange(20)  # above the tie with three verbs: 60 pairs
    noun[:, 100 : 100 + tied - 1] = 1.25  # ties with verb 1, above it with verb 0
    noun[:, 50] = 0.25  # ties with verb 0
    noun[:, 290] = 2.75 - gap  # the near tie with verb 2, above with verbs 0 and 1
    noun[:, 230 : 268 - tied] = 1.02 + 0.004 * np.arange(38 - tied)  # above with verb 0
    np.savez(
        "x.npz", narration_id=[f"P01_101_{at}" for at in range(5)], verb_output=verb.astype(np.float32),
        noun_output=noun.astype(np.float32),
    )  # fmt: skip
    assert gsmbench("import", "x.npz", "--dataset", "epic-100", "--split", "test", "--kind", "logits").status == 0
    ran = gsmbench("submit", "epic100", "--scores", place("x"), "--sls-pt", 1, "--sls-tl", 3, "--sls-td", 3)
    assert ran.status == 0, ran.err
