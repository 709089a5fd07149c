#!/usr/bin/env python3
"""Runs a command and fails if anything it started outlives it.

    leave_nothing_running.py MINUTES_MAX COMMAND...

Linux hands the orphans of a "child subreaper" to it, so whatever is still there when
the command has ended is a child of this process: daemons, other sessions, all. Each is
named, then killed by its id. The same ends a command that takes too long.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# A child may need a moment to end after its parent: the engine closes its tables.
GRACE_SECONDS = 5


def main(minutes_max: float, command: list[str]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("This kernel has no child subreapers: Linux 3.4 or later is needed.")
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    # Should the caller be killed, this is to end as well, in order.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    status = 1
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=minutes_max * 60).returncode
    except subprocess.TimeoutExpired:
        print(f"{' '.join(command)} took more than {minutes_max:g} minutes and was ended.", file=sys.stderr)
    finally:
        left = survivors()
    for process, name in left:
        print(f"left running by {' '.join(command)}: process {process}: {name}", file=sys.stderr)
    return (128 - status if status < 0 else status) or (1 if left else 0)


def survivors() -> list[tuple[int, str]]:
    """What is still there after the grace period; it is killed, with all it started."""
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        reap()
        if not children():
            return []
        time.sleep(0.1)
    named = []
    # A killed child's own children become ours: again, until there is none.
    while left := children():
        for process in left:
            named.append((process, command_line(process)))
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
        reap()
    return named


def children() -> list[int]:
    return [int(child) for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()]


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(just ended)"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
