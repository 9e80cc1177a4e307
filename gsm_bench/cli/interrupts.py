"""Ctrl-C that Python loses: an interrupt inside a callback of the interpreter is raised again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import FrameType

AGAIN_S = 0.01
"""Time between looks whether the main thread has left the hook."""


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
    threading.Thread(target=_interrupt_main_thread, daemon=True).start()


def _interrupt_main_thread() -> None:
    """Interrupt the main thread once it has left the hook, which would lose the interrupt, too."""
    main = threading.main_thread().ident
    assert main is not None
    while _is_in_hook(sys._current_frames().get(main)):
        time.sleep(AGAIN_S)
    signal.pthread_kill(main, signal.SIGINT)


def _is_in_hook(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not _again.__code__:
        frame = frame.f_back
    return frame is not None
