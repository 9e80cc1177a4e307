"""Where frames are: a path of this machine, or a URL that fsspec opens, such as ``s3://bucket/folder``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

REMOTE = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://.", re.IGNORECASE | re.DOTALL)
SECRET = re.compile(r"(?<=://)[^/@]*@|\?.*", re.DOTALL)
"""A user with a password in a URL, or the query, which may hold a signature: messages and files never show them."""


@dataclass(frozen=True)
class RemoteUrl:
    """A file or folder at a URL, or below it. What it looks like is text alone; nothing is opened.

    Attributes:
        root: the URL as given, without a slash at its end.
        below: names that lead from there to the file or folder.
    """

    root: str
    below: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join((SECRET.sub("", self.root), *self.below))

    def __truediv__(self, names: str) -> RemoteUrl:
        return RemoteUrl(self.root, (*self.below, *(name for name in names.split("/") if name not in ("", "."))))

    @property
    def parent(self) -> RemoteUrl:
        """The folder above; that of the root is the root."""
        return RemoteUrl(self.root, self.below[:-1])

    @property
    def name(self) -> str:
        return self.below[-1] if self.below else unquote(str(self).rstrip("/").rpartition("/")[2])

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def protocol(self) -> str:
        """Such as ``s3``: the last one, if there are several."""
        return urlsplit(self.root.rpartition("::")[2]).scheme.lower()

    def with_name(self, name: str) -> RemoteUrl:
        return self.parent / name

    def resolve(self) -> RemoteUrl:
        """This URL: it has no other spelling."""
        return self


Place = Path | RemoteUrl


def without_secrets(word: str) -> str:
    """A word of a command line; of a URL without its user, password and query."""
    return SECRET.sub("", word) if REMOTE.search(word) else word


def place_of(text: str | Place) -> Place:
    """The place that a user names: a path, or a URL; ``file://`` is a path."""
    if not isinstance(text, str):
        return text
    if not REMOTE.match(text):
        return Path(text)
    if text.lower().startswith("file://"):
        return Path(unquote(text[len("file://") :]))
    return RemoteUrl(text.rstrip("/"))
