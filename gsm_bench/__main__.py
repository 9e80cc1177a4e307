"""``python -m gsm_bench``, and the command ``gsmbench``."""

import os
import sys

PACKAGE = os.path.dirname(__file__)  # noqa: PTH120 (nothing is imported yet)

# Modules of the current directory are not imported: somebody may have sent it. Python 3.11 looks there first.
if __name__ == "__main__" and not sys.flags.safe_path and sys.path[0] != os.path.dirname(PACKAGE):  # noqa: PTH120
    del sys.path[0]

import _signal as signal  # type: ignore[import-not-found]  # noqa: E402 (`signal` itself reads further modules)

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until `main`: no traceback of half-read modules
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from gsm_bench.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
