"""Runs ``gsmbench`` command lines as forked children, so that killing twenty of them does not load torch twenty times.

Reads one JSON list of arguments per line; answers the child's pid, then, when it ends, ``end PID STATUS``. A child
appends one byte to the file named by $DECODE_LOG for every frame it decodes, and waits before it decodes the video
$HELD_VIDEO as long as the file $HOLD exists, so that it does not end before it is killed.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import torch

from gsm_bench.cli import main
from gsm_bench.frames.sources import readers


def count_decodes():
    log = os.open(os.environ["DECODE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    decoded = readers.decoded_pixels
    hold = Path(os.environ["HOLD"])
    held = f"/{os.environ['HELD_VIDEO']}/"

    def decode_and_count(content, number, where):
        while held in where and hold.exists():
            time.sleep(0.01)
        os.write(log, b".")
        return decoded(content, number, where)

    readers.decoded_pixels = decode_and_count


def child(arguments):
    quiet = os.open(os.environ["DECODE_LOG"] + ".out", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    torch.set_num_threads(1)
    count_decodes()
    main(arguments)


def answer(line):
    os.write(1, f"{line}\n".encode())  # whole lines: threads that print mix theirs


def reap(pid):
    _, status = os.waitpid(pid, 0)
    answer(f"end {pid} {os.waitstatus_to_exitcode(status)}")


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        child(json.loads(line))
        os._exit(0)
    answer(pid)
    threading.Thread(target=reap, args=(pid,), daemon=True).start()
