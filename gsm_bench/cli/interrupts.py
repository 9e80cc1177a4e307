"""Ctrl-C that Python loses: an interrupt inside a callback of the interpreter is raised again."""

from __future__ import annotations

import signal
import sys
import threading

AGAIN_S = 0.01
"""Time after which a lost interrupt comes again: the callback that lost it is over by then."""


def keep_interrupts() -> None:
    """Raise an interrupt again that fell into a weak reference's callback, a finaliser or a collection.

    Python prints "Exception ignored in" there and goes on, so that Ctrl-C has no effect; the import system has such a callback.
    """
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _again


def _again(lost: sys.UnraisableHookArgs) -> None:
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    timer = threading.Timer(AGAIN_S, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    timer.daemon = True
    timer.start()
