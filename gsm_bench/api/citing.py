"""References for what a result was made with: the papers of models, and this tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.errors import ManifestError
from gsm_bench.layouts.rows import whole_text
from gsm_bench.workspace import shipped_manifests

if TYPE_CHECKING:
    from gsm_bench.entries import ModelEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace

BEGINNING = re.compile(r"@\s*(?P<type>[A-Za-z]+)\s*\{\s*(?P<key>[^\s,{}]+)\s*,")
NOT_REFERENCES = ("comment", "string", "preamble")
TITLE = "gsm_bench: ensemble evaluation and benchmark submission for video action recognition"


def references(names: Sequence[str], manifest: Manifest, workspace: Workspace) -> tuple[str, list[str]]:
    """BibTeX of the papers of models and of ensembles' members, each once, and of this tool; and the models without one.

    Raises:
        ManifestError: an unknown name, or a key that no .bib file has.
    """
    for name in names:
        if name not in manifest.ensembles:
            manifest.model(name)
    entries = manifest.models_of(names)
    known = read_references(workspace)
    keys = dict.fromkeys(key for entry in entries for key in entry.cite)
    for entry in entries:
        _check_keys(entry, known, manifest)
    return "\n\n".join([*(known[key] for key in keys), tool_reference()]), [e.name for e in entries if not e.cite]


def _check_keys(entry: ModelEntry, known: dict[str, str], manifest: Manifest) -> None:
    unknown = next((key for key in entry.cite if key not in known), None)
    if unknown is not None:
        raise ManifestError(
            f"models.{entry.name}.cite: no reference {unknown!r}", where=manifest.origins["models", entry.name].file,
            fix="put its BibTeX entry into a .bib file in manifests/ of the workspace",
        )  # fmt: skip


def read_references(workspace: Workspace) -> dict[str, str]:
    """All BibTeX entries by key, of the shipped file and of .bib files in manifests/; the workspace's replace shipped ones."""
    known: dict[str, str] = {}
    for folder in (shipped_manifests(), workspace.manifests):
        for path in sorted(folder.glob("*.bib")):
            known |= split_references(whole_text(path), path)
    return known


def split_references(text: str, where: Path) -> dict[str, str]:
    """The BibTeX entries of a text by key; text between entries is a comment.

    Raises:
        ManifestError: an entry whose braces are not closed, or a key that occurs twice.
    """
    entries: dict[str, str] = {}
    at = 0
    while (match := BEGINNING.search(text, at)) is not None:
        line = text.count("\n", 0, match.start()) + 1
        end = _end(text, match.start())
        if end is None:
            raise ManifestError(
                f"the braces of {match['key']!r} are not closed", where=f"{where}, line {line}", fix="close them"
            )
        at = end
        if match["type"].lower() in NOT_REFERENCES or _is_comment(text, match.start()):
            continue
        if match["key"] in entries:
            raise ManifestError(
                f"the reference {match['key']!r} occurs twice", where=f"{where}, line {line}", fix="remove one"
            )
        entries[match["key"]] = text[match.start() : end].replace("\r\n", "\n")
    return entries


def _is_comment(text: str, at: int) -> bool:
    """Whether a place stands behind a percent sign in its line."""
    return "%" in text[text.rfind("\n", 0, at) + 1 : at]


def _end(text: str, start: int) -> int | None:
    """The place behind the brace that closes an entry; None if there is none."""
    depth = 0
    for brace in re.finditer(r"\\?[{}]", text[start:]):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return start + brace.end()
    return None


def tool_reference() -> str:
    """BibTeX of this tool, as in CITATION.cff."""
    title = TITLE.replace("gsm_bench", "{gsm\\_bench}", 1)
    return (
        f"@software{{gsm_bench,\n  title   = {{{title}}},\n  author  = {{{{The gsm\\_bench developers}}}},\n"
        f"  version = {{{version('gsm-bench')}}}\n}}"
    )
