"""Text of unknown origin for a terminal: nothing in it moves the cursor, sets a title or reverses the line."""

from __future__ import annotations

import codecs
import re

UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line break
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that reverse the direction of what follows
    "\u2028\u2029\ud800-\udfff]"  # line breaks of their own, and halves of characters
)
STAND_INS = {"±": "+-", "≈": "~", "\u00d7": "x", "\u2013": "-", "\u2014": "-", "→": "->", "…": "...", "·": "."}
"""What stands for a sign that an encoding lacks; other characters become ``\\uXXXX``."""
ERROR_HANDLER = "gsm_bench.printable"


def printable(text: str) -> str:
    """The text with control characters as ``\\uXXXX``; tab and line break stay."""
    return UNPRINTABLE.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _printable_characters(error: UnicodeError) -> tuple[str, int]:
    """What an encoder writes in place of characters that it lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(STAND_INS.get(character) or _escaped(character) for character in lacking), error.end


codecs.register_error(ERROR_HANDLER, _printable_characters)
