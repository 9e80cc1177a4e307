"""Tables as files in a folder."""

import pytest

from gsm_bench.errors import GsmBenchError
from gsm_bench.tables.render import FORMATS, render
from gsm_bench.tables.render.folder import write_tables
from gsm_bench.tables.table import Column, Table


def table(name):
    return Table("", (Column("name", "Name"),), (({"name": name},),), name=name)


TABLES = [table("evaluate"), table("per class/../x"), table("evaluate"), table("..")]


def test_each_table_has_a_file_of_its_name(tmp_path):
    paths = write_tables(TABLES, "csv", tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["evaluate.csv", "per-class-..-x.csv", "evaluate-2.csv", "table.csv"]
    assert [path.read_text() for path in paths] == [render(one, "csv") + "\n" for one in TABLES]
    assert {path.parent for path in paths} == {tmp_path / "new" / "folder"}


def test_nothing_is_overwritten_without_force(tmp_path):
    (written,) = write_tables(TABLES[1:2], "csv", tmp_path)
    written.write_text("of somebody")
    with pytest.raises(GsmBenchError, match="exists already"):
        write_tables(TABLES, "csv", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    write_tables(TABLES, "csv", tmp_path, force=True)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_run_that_was_killed_between_two_files_is_finished(tmp_path):
    """A file of the same content is no conflict."""
    write_tables(TABLES[1:2], "csv", tmp_path)
    assert len(write_tables(TABLES, "csv", tmp_path)) == len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_a_suffix(tmp_path, form):
    (path,) = write_tables(TABLES[:1], form, tmp_path)
    assert path.suffix == {"rich": ".txt", "latex": ".tex"}.get(form, f".{form}")
