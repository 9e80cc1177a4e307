"""From content to one HTML file: template, styles, scripts and payload, all inline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.errors import ExportError
from gsm_bench.files import new_file, sweep
from gsm_bench.report.payload import Payload, safe_json

if TYPE_CHECKING:
    from markupsafe import Markup

STYLES = ("tokens", "page", "tables", "charts", "clips", "player", "playground", "print")
SCRIPTS = (
    "core/elements", "core/payload", "core/navigation", "core/keys", "core/panels", "core/tables", "core/choices",
    "core/tip", "core/drawn", "core/sampling", "core/pictures", "core/fusion", "core/stages",
    "panels/results", "panels/cost", "panels/filters", "panels/clips", "panels/predictions", "panels/frames",
    "panels/playground", "panels/cascade", "panels/classes", "panels/confusion",
    "core/start",
)  # fmt: skip
"""Files of ``page/`` in the order in which they run, one program together."""


@dataclass(frozen=True)
class Section:
    """A heading with content, once per split.

    Attributes:
        id: the name in the address: ``#results``.
        title, lead: heading, and one or two sentences below it.
        body: HTML that shows without scripts.
    """

    id: str
    title: str
    lead: str
    body: Markup


@dataclass(frozen=True)
class SplitPage:
    """The sections of one split; `name` makes ids of elements unique."""

    key: str
    name: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class PageTexts:
    """Texts of the page around its sections, and whether it shows pictures of a folder beside it."""

    title: str
    subtitle: str
    footer: str
    messages: Sequence[str] = ()
    pictures_beside: bool = False


def page_html(texts: PageTexts, splits: Sequence[SplitPage], payload: Payload) -> str:
    """The whole file as text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from gsm_bench import __version__

    style, script = style_text(), script_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_read("template.html")).render(
        **vars(texts),
        version=__version__,
        policy=policy(style, script, pictures_beside=texts.pictures_beside),
        style=Markup(style),
        script=Markup(script),
        splits=splits,
        index=Markup(safe_json(payload.index())),
        blobs=payload.encoded(),
    )


def refuse_existing(path: Path, *, force: bool = False) -> None:
    """Raise ExportError for a report that exists, unless `force` replaces it."""
    sweep(path)
    if path.exists() and not force:
        raise _exists(path)


def write_page(path: Path, text: str, *, force: bool = False) -> None:
    """Write the file beside its place and rename it; an existing one needs `force`."""
    with new_file(path, force=force, exists=_exists(path)) as written:
        written.write_text(text, encoding="utf-8")


def _exists(path: Path) -> ExportError:
    return ExportError("this report exists already", where=path, fix="--force replaces it, --out names another file")


def style_text() -> str:
    """All styles as one sheet."""
    return "\n".join(_read(f"{name}.css") for name in STYLES)


def script_text() -> str:
    """All scripts as one program without global names."""
    body = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();'


def policy(style: str, script: str, *, pictures_beside: bool = False) -> str:
    """A content security policy: this style and this script alone, pictures of the page itself, no network.

    Args:
        pictures_beside: pictures of the same folder too, on disk or on the same server.
    """
    pictures = "data: blob: 'self' file:" if pictures_beside else "data: blob:"
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        f"img-src {pictures}; form-action 'none'; base-uri 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return files("gsm_bench.report").joinpath("page", name).read_text(encoding="utf-8")
