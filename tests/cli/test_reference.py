from pathlib import Path

from gsm_bench.cli.reference import reference


def test_the_command_reference_is_current():
    page = Path(__file__).parents[2] / "docs" / "commands.md"
    assert page.read_text() == reference(), "make docs"
