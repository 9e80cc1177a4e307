"""How deep tuples lie within tuples in a pickle, found without building anything.

The hash of a tuple that holds the same tuple twice, thirty times over, takes years; a key of a dict is hashed while a
pickle is read. No file of weights needs such a key.
"""

from __future__ import annotations

import pickletools
from typing import IO

DEEPEST = 20
"""Tuples within tuples; the shape of a tensor lies four deep, in torch's own references."""
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
OF_A_MARK = frozenset({"TUPLE", "FROZENSET"})


class _Depths:
    """Depths of the values on the unpickler's stack: 0 for a plain value, one more around each tuple."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.marks: list[int] = []
        self.memo: dict[int, int] = {}

    def step(self, code: pickletools.OpcodeInfo, argument: object) -> None:
        name, stack = code.name, self.stack
        if name == "MARK":
            self.marks.append(len(stack))
        elif name in GETS:
            stack.append(self.memo.get(int(argument), 0))  # type: ignore[call-overload]
        elif name in PUTS or name == "MEMOIZE":
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = stack[-1]  # type: ignore[call-overload]
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            depth = self._taken(code) + (name in TUPLES or name in OF_A_MARK)
            stack.extend([depth] * len(code.stack_after))

    def _taken(self, code: pickletools.OpcodeInfo) -> int:
        """Take the values of an operation off the stack; returns the largest depth among them."""
        single = [each for each in code.stack_before if each not in (pickletools.markobject, pickletools.stackslice)]
        taken: list[int] = []
        if pickletools.markobject in code.stack_before:
            start = self.marks.pop()
            taken += self.stack[start:]
            del self.stack[start:]
        for _ in single:
            taken.append(self.stack.pop())
        return max(taken, default=0)


def refuse_deep_tuples(stream: IO[bytes]) -> None:
    """Raise ValueError if the next pickle of a stream nests tuples too deep; the stream stays where it is."""
    start, depths = stream.tell(), _Depths()
    for code, argument, _ in pickletools.genops(stream):
        depths.step(code, argument)
        if depths.stack and depths.stack[-1] > DEEPEST:
            raise ValueError(f"tuples are nested more than {DEEPEST} deep")
    stream.seek(start)
