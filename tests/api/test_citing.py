"""References of models and of the tool."""

from pathlib import Path

import pytest
import yaml

import gsm_bench as gb
from gsm_bench.api.citing import TITLE, split_references
from gsm_bench.errors import GsmBenchError, ManifestError
from gsm_bench.manifest import load_manifest

HERE = Path("x.bib")
PAPER = "@article{mine, title = {A {B} C}}"


def keys(text):
    return list(split_references(text, HERE))


def test_every_shipped_model_has_a_known_paper(workspace, gsmbench):
    shipped = [name for name in load_manifest(workspace).models if not name.startswith("toy")]
    ran = gsmbench("models", "cite", *shipped)
    assert ran.status == 0, ran.err
    assert ran.err == ""
    assert keys(ran.out) == [
        "sudhakaran2020gate", "wang2016temporal", "lin2019tsm", "sudhakaran2023gate", "gsm_bench",
    ]  # fmt: skip


def test_ensembles_stand_for_their_members_and_each_paper_is_printed_once(workspace, gsmbench):
    ran = gsmbench("models", "cite", "En3", "tsm_r50_8f", "inv3_8f")
    assert keys(ran.out) == ["sudhakaran2020gate", "lin2019tsm", "gsm_bench"]
    assert gb.Bench().cite("En3", "tsm_r50_8f", "inv3_8f") == ran.out.rstrip("\n")
    assert keys(gsmbench("models", "cite").out) == ["gsm_bench"]


def test_a_model_without_a_paper_is_named(workspace, gsmbench):
    ran = gsmbench("models", "cite", "toy_4f", "inv3_8f")
    assert ran.status == 0
    assert "no papers are known of toy_4f" in ran.err
    ran = gsmbench("models", "cite", "nothing")
    assert ran.status == 1
    assert "nothing" in ran.err


def test_own_references(workspace, gsmbench):
    path = workspace.manifests / "toy.toml"
    path.write_text(path.read_text().replace('title = "Toy network"', 'title = "Toy network"\ncite = ["mine"]'))
    ran = gsmbench("models", "cite", "toy_4f")
    assert ran.status == 1
    assert "models.toy_4f.cite: no reference 'mine'" in ran.err
    (workspace.manifests / "mine.bib").write_text(PAPER)
    assert gsmbench("models", "cite", "toy_4f").out.startswith(PAPER)
    assert "mine: gsmbench models cite toy_4f" in gsmbench("models", "show", "toy_4f").out


def test_the_tool_is_cited_as_in_its_citation_file():
    citation = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text())
    assert citation["title"] == TITLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAPER, ["mine"]),
        ("", []),
        ("words alone @ home", []),
        (f"% {PAPER}\n@book{{other, x=1}}", ["other"]),
        (f"@comment{{x, {{}} }}\n@string{{s, a}}\n{PAPER}", ["mine"]),
        ("@ARTICLE { mine ,\r\n title={a}\r\n}\r\n", ["mine"]),
        (f"{PAPER}{PAPER.replace('mine', 'a:b-2')}", ["mine", "a:b-2"]),
        ("@article{mine, title={an \\} escaped one}}", ["mine"]),
        ("@article{mine, url={https://x.org/100%25}}\n@misc{two, a={b@c}}", ["mine", "two"]),
        ("@article{mine, note={mail me@home{x, y}}}", ["mine"]),
    ],
)
def test_bibtex_of_strangers(text, expected):
    assert keys(text) == expected


@pytest.mark.parametrize(
    ("text", "message"), [(PAPER[:-1], "not closed"), (f"{PAPER}\n{PAPER}", "'mine' occurs twice")]
)
def test_damaged_bibtex_is_one_error(text, message):
    with pytest.raises(ManifestError, match=message) as raised:
        keys(text)
    assert "x.bib, line" in str(raised.value.where)


def test_bibtex_that_is_no_text(workspace):
    (workspace.manifests / "odd.bib").write_bytes(b"@article{m\xe9, x}")
    with pytest.raises(GsmBenchError, match="not UTF-8"):
        gb.Bench().cite("toy_4f")
