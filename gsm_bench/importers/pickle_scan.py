"""Checks the opcodes of a pickle, with the standard library's own parser, before any of them is executed.

`find_class` sees neither extension codes nor a memo of four billion places nor keys whose hash takes years, so opcodes
that score dumps do not need are refused here, by name.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Container
from pathlib import Path

from gsm_bench.errors import DumpError
from gsm_bench.importers.limits import DEEPEST, MOST_OPEN_VALUES, MOST_OPERATIONS

FIX = "do not load it elsewhere either; save the scores as arrays, lists and dicts alone"
PLAIN = frozenset(
    [
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "EMPTY_LIST",
        "EMPTY_DICT",
        "EMPTY_TUPLE",
    ]
)
WORDS = {
    "INST": "an instance of {arg}",
    "OBJ": "an instance of a class",
    "NEWOBJ": "an instance of a class",
    "NEWOBJ_EX": "an instance of a class",
    "EXT1": "the registered extension {arg}",
    "EXT2": "the registered extension {arg}",
    "EXT4": "the registered extension {arg}",
    "PERSID": "an object from outside the file",
    "BINPERSID": "an object from outside the file",
}


ARROW_FIX = "convert arrays of pandas before saving: np.array(ids.tolist())"
RECONSTRUCTORS = ("copy_reg", "copyreg")
"""Modules whose functions only rebuild an object of a class that is named with them."""
MOST_OPCODES_NAMED = 200_000
"""How far a refused pickle is searched for the name of its class."""


def refused(what: str, where: Path | str) -> DumpError:
    """The error for a file that asks for more than data."""
    fix = ARROW_FIX if what.startswith(("pandas.", "pyarrow.")) else FIX
    return DumpError(f"this file asks for {what}, which is not data; nothing of it was run", where=where, fix=fix)


def scan(stream: io.BytesIO, allowed: Container[str], where: Path | str, *, persistent: bool = False) -> int:
    """Check one pickle of `stream` without building anything; the stream then stands after it.

    Args:
        allowed: names ``module name`` that the pickle may ask for.
        persistent: whether it may refer to storages outside, as torch's own files do.

    Returns:
        The number of steps.

    Raises:
        DumpError: it asks for anything but containers, numbers, text and the allowed names, or for too much of them.
        ValueError and relatives of it: it is damaged.
    """
    walk = _Walk(allowed, where, persistent)
    return walk.through(stream)


class _Walk:
    """Depths of the values on the unpickler's stack: 0 for a plain value, one more around each container."""

    def __init__(self, allowed: Container[str], where: Path | str, persistent: bool) -> None:
        self.allowed, self.where, self.persistent = allowed, where, persistent
        self.stack: list[int] = []
        self.marks: list[int] = []
        self.memo: dict[int, int] = {}
        self.steps = 0
        self.class_asked_for: Callable[[], str] = str

    def through(self, stream: io.BytesIO) -> int:
        push, stack, start = self.stack.append, self.stack, stream.tell()
        self.class_asked_for = lambda: _class_asked_for(stream.getvalue()[start:], self.allowed)
        for steps, (code, arg, _) in enumerate(pickletools.genops(stream), start=1):
            name = code.name
            if name in PLAIN:
                push(0)
            elif name in ACTIONS:
                ACTIONS[name](self, arg)
            else:
                what = self.class_asked_for() if name in OF_A_CLASS else ""
                raise refused(what or WORDS.get(name, f"the opcode {name}").format(arg=_dotted(arg)), self.where)
            self.steps = steps
            if steps % 1024 == 0 or name == "STOP":
                self._limit(len(stack))
        return self.steps

    def _limit(self, waiting: int) -> None:
        waiting += len(self.marks)
        if self.steps > MOST_OPERATIONS or waiting > MOST_OPEN_VALUES:
            raise DumpError(
                f"this pickle is a bomb or not a score dump: {self.steps:,} steps, {waiting:,} values waiting for a container",
                where=self.where,
                fix="save the scores as one array",
            )

    def _slice(self) -> list[int]:
        """Take the values above the last mark off the stack."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _contain(self, depth: int) -> None:
        """The container on top of the stack now holds a value of this depth."""
        if depth >= self.stack[-1]:
            self.stack[-1] = self._checked(depth + 1)

    def _checked(self, depth: int) -> int:
        if depth > DEEPEST:
            raise DumpError(
                f"containers are nested more than {DEEPEST} deep in this pickle; no score dump needs that",
                where=self.where,
                fix=FIX,
            )
        return depth

    def _key(self, depth: int) -> None:
        if depth > 1:
            raise refused("a dict whose keys are nested containers", self.where)

    def on_proto(self, _: object) -> None: ...
    def on_frame(self, _: object) -> None: ...
    def on_stop(self, _: object) -> None: ...

    def on_mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def on_pop(self, _: object) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def on_pop_mark(self, _: object) -> None:
        self._slice()

    def on_memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def on_put(self, arg: object) -> None:
        if not isinstance(arg, int) or not 0 <= arg <= self.steps + 1:
            raise DumpError(
                f"this pickle asks for a memo of {arg} places after {self.steps} steps", where=self.where, fix=FIX
            )
        self.memo[arg] = self.stack[-1]

    on_binput = on_long_binput = on_put

    def on_get(self, arg: object) -> None:
        self.stack.append(self.memo[int(str(arg))])

    on_binget = on_long_binget = on_get

    def on_tuple1(self, _: object) -> None:
        self.stack[-1] = self._checked(self.stack[-1] + 1)

    def on_tuple2(self, _: object) -> None:
        self.stack[-2:] = [self._checked(max(self.stack[-2:]) + 1)]

    def on_tuple3(self, _: object) -> None:
        self.stack[-3:] = [self._checked(max(self.stack[-3:]) + 1)]

    def on_tuple(self, _: object) -> None:
        self.stack.append(self._checked(max(self._slice(), default=-1) + 1))

    on_list = on_tuple

    def on_dict(self, _: object) -> None:
        values = self._slice()
        self._key(max(values[::2], default=0))
        self.stack.append(self._checked(max(values, default=-1) + 1))

    def on_append(self, _: object) -> None:
        self._contain(self.stack.pop())

    def on_appends(self, _: object) -> None:
        self._contain(max(self._slice(), default=-1))

    def on_setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._key(key)
        self._contain(value)

    def on_setitems(self, _: object) -> None:
        values = self._slice()
        self._key(max(values[::2], default=0))
        self._contain(max(values, default=-1))

    def on_global(self, arg: object) -> None:
        if arg not in self.allowed:
            rebuilt = self.class_asked_for() if str(arg).startswith(RECONSTRUCTORS) else ""
            raise refused(rebuilt or _dotted(arg), self.where)
        self.stack.append(0)

    def on_stack_global(self, _: object) -> None:
        del self.stack[-2:]
        self.stack.append(0)

    def on_reduce(self, _: object) -> None:
        self.stack.pop()
        self.stack[-1] = 0

    def on_build(self, _: object) -> None:
        self.stack.pop()

    def on_binpersid(self, _: object) -> None:
        if not self.persistent:
            raise refused(WORDS["BINPERSID"], self.where)
        self.stack[-1] = 0


ACTIONS: dict[str, Callable[[_Walk, object], None]] = {
    name.removeprefix("on_").upper(): action for name, action in vars(_Walk).items() if name.startswith("on_")
}


OF_A_CLASS = ("OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE")


def _class_asked_for(data: bytes, allowed: Container[str]) -> str:
    """The first name in a refused pickle that is not allowed, with dots; empty where there is none or it is damaged."""
    texts: list[str] = []
    memo: dict[int, str] = {}
    try:
        for count, (code, arg, _) in enumerate(pickletools.genops(data)):
            if count > MOST_OPCODES_NAMED:
                break
            name = ""
            if code.name in ("GLOBAL", "INST"):
                name = str(arg)
            elif code.name == "STACK_GLOBAL":
                name = " ".join(texts[-2:])
            elif isinstance(arg, str) and "UNICODE" in code.name:
                texts.append(arg)
            elif code.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                memo[len(memo) if arg is None else int(arg)] = texts[-1] if texts else ""
            elif code.name in ("BINGET", "LONG_BINGET", "GET"):
                texts.append(memo.get(int(arg or 0), ""))
            if (
                name
                and name not in allowed
                and not name.startswith((*RECONSTRUCTORS, "builtins object", "__builtin__ object"))
            ):
                return _dotted(name)
    except Exception:  # a damaged stream: it is refused without a name
        return ""
    return ""


def _dotted(arg: object) -> str:
    return str(arg).replace(" ", ".")
