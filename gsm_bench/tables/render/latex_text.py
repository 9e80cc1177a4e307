"""Any text as LaTeX that pdflatex sets: special characters escaped, accents and signs as commands."""

from __future__ import annotations

import re
import unicodedata

from gsm_bench.tables.render.cells import plain

COMMANDS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": "{`}", '"': r"\symbol{34}", "±": r"$\pm$", "≈": r"$\approx$",
    "×": r"$\times$", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}",
    "°": r"$^{\circ}$", "·": r"$\cdot$", "→": r"$\rightarrow$", "←": r"$\leftarrow$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "µ": r"$\mu$", "ß": r"\ss{}",
    "æ": r"\ae{}", "Æ": r"\AE{}", "ø": r"\o{}", "Ø": r"\O{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ł": r"\l{}",
    "Ł": r"\L{}", "ı": r"\i{}", "\u00a0": "~",
}  # fmt: skip
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0323": "d",
}  # fmt: skip
"""LaTeX's accent for each combining character."""
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega"
JOINED = "-',"
FRAMES = re.compile(r"(\w+ )?\d[\d.]*(x[\d.]+)*([+]\d[\d.]*(x[\d.]+)*)*\*?")
"""Frames, clips and their costs: ``8x2+12``, ``66.5x30``."""


def escape(text: str) -> str:
    """A text as LaTeX, in one line; a character that pdflatex lacks as ``[U+6B69]``."""
    characters = unicodedata.normalize("NFC", plain(text))
    line = "".join(_character(char, before) for char, before in zip(characters, f" {characters}", strict=False))
    return f"{{}}{line}" if line.startswith(("[", "*")) else line  # after a line's end these are arguments


def cell_text(text: str) -> str:
    """As `escape`, with the sign between frames and clips: ``8$\\times$2``."""
    return re.sub(r"(?<=\d)x(?=\d)", r"$\\times$", text) if FRAMES.fullmatch(text) else escape(text)


def breakable(text: str, longest: int) -> str:
    """As `escape`, for a paragraph: words of more than `longest` characters may break after each."""
    words = [escape(word) if len(word) <= longest else _breaking(word) for word in plain(text).split(" ")]
    line = " ".join(word.removeprefix("{}") for word in words)
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _breaking(word: str) -> str:
    return r"\allowbreak{}".join(map(_character, unicodedata.normalize("NFC", word)))


def _character(char: str, before: str = "") -> str:
    """One character; of two equal ones that TeX would join to one sign, the second apart."""
    if char == before and char in JOINED:
        return f"{{}}{char}"
    if char in COMMANDS:
        return COMMANDS[char]
    if " " <= char <= "~":
        return char
    return _greek(char) or _accented(char) or f"{{[}}U+{ord(char):04X}{{]}}"


def is_stand_in(char: str) -> bool:
    """Whether a character is set as its number, because pdflatex lacks it."""
    return _character(char).startswith("{[}")


def _greek(char: str) -> str:
    name = unicodedata.name(char, "").removeprefix("GREEK SMALL LETTER ").lower().replace("lamda", "lambda")
    return rf"$\{name}$" if name in GREEK.split() else ""


def _accented(char: str) -> str:
    """A letter with one accent; empty for any other character."""
    parts = unicodedata.normalize("NFD", char)
    if len(parts) != 2 or not parts[0].isascii() or parts[1] not in ACCENTS:
        return ""
    letter = {"i": r"\i", "j": r"\j"}.get(parts[0], parts[0]) if parts[1] not in "\u0327\u0323" else parts[0]
    return rf"\{ACCENTS[parts[1]]}{{{letter}}}"
