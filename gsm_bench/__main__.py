"""``python -m gsm_bench``, and the command ``gsmbench``."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until `main`: no traceback of half-read modules
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from gsm_bench.cli import main

if __name__ == "__main__":
    main()
