#!/usr/bin/env python3
"""Runs one command that people end with Ctrl-C, so that `make` does not complain.

In a terminal the command gets a process group of its own in the foreground: Ctrl-C
reaches it and not `make`, which would print an error over its farewell. A SIGTERM or
SIGHUP for this process is handed on, and so is its own end or its parent's. Ended by
Ctrl-C counts as ended well.
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1


def main() -> int:
    terminal = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
    in_front = terminal is not None and os.tcgetpgrp(terminal) == os.getpgrp()
    libc = ctypes.CDLL(None, use_errno=True)

    # When the parent is killed (a shell of make's), or this process with -9, the kernel tells the child.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if in_front:
            os.setpgid(0, 0)
            # Nobody would wake a command stopped with Ctrl-Z in a group of its own.
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)

    child = subprocess.Popen(sys.argv[1:], preexec_fn=prepare)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _frame: child.send_signal(number))
    # Outside a terminal the whole group gets SIGINT; the command decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if in_front:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(terminal, child.pid)
    status = child.wait()
    if in_front:
        os.tcsetpgrp(terminal, os.getpgrp())
    if status in (-signal.SIGINT, 128 + signal.SIGINT):
        return 0
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
