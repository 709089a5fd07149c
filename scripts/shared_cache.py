"""The folder shared between clones, and how a fetched file gets there.

What is fetched once serves every clone: `$SUANPAN_CACHE`, or `~/.cache/suanpan`.
A file appears there in one step (written beside its place, synced, renamed), so
whoever sees it sees all of it. One run at a time fetches a thing; the lock is the
kernel's, so it ends with the processes that hold it, however they end.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path


class Refusal(Exception):
    """Something the reader can mend; the message says how, in one sentence."""


def cache_dir() -> Path:
    """The shared folder; it need not exist yet."""
    named = os.environ.get("SUANPAN_CACHE")
    if named:
        return Path(named).absolute()
    home = os.environ.get("HOME")
    if not home:
        raise Refusal("Neither SUANPAN_CACHE nor HOME is set: set SUANPAN_CACHE to a folder you can write to.")
    return Path(home) / ".cache" / "suanpan"


@contextlib.contextmanager
def exclusive(name: str, doing: str):
    """Holds the lock `name` in the shared folder, waiting for another run if need be.

    Yields the lock's descriptor. Give it to child processes that write (`pass_fds`):
    should this process be killed, nobody else starts while they still write.
    """
    lock_path = cache_dir() / f"{name}.lock"
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with open(lock_path, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another run is {doing}; waiting for it to end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


@contextlib.contextmanager
def working_dir(path: Path):
    """An empty folder for half-done work, removed at the end.

    Call it with the lock held: what an earlier, killed run left there is removed too.
    """
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def put_in_place(finished: Path, place: Path) -> None:
    """Makes `finished` appear as `place`, whole even after a power cut."""
    with open(finished, "rb") as file:
        os.fsync(file.fileno())
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(finished, place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def require_space(needed_bytes: int, purpose: str) -> None:
    """Refuses before anything is written if the shared folder's disk is too full."""
    free_bytes = shutil.disk_usage(cache_dir()).free
    if free_bytes < needed_bytes:
        raise no_space(purpose, needed_bytes)


def no_space(purpose: str, needed_bytes: int) -> Refusal:
    """The refusal for a full disk, found beforehand or underway."""
    free_mb = shutil.disk_usage(cache_dir()).free // 1_000_000
    return Refusal(
        f"{purpose} needs {needed_bytes // 1_000_000} MB and the disk of {cache_dir()} has {free_mb} MB free: "
        "free some space there, or set SUANPAN_CACHE to a folder on another disk."
    )


def run(main) -> None:
    """Runs a fetching script: one sentence and status 1 for what the reader can mend."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _frame: sys.exit(128 + number))
    try:
        main()
    except Refusal as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        print("\nInterrupted; nothing half-done was kept.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        sys.exit(_sentence(error))


def _sentence(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {cache_dir()} is full: free some space there, or set SUANPAN_CACHE to a folder on another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        return (
            f"Cannot write to {cache_dir()}: {error.strerror}{where}; "
            "mend its permissions, or set SUANPAN_CACHE to a folder you can write to."
        )
    return f"{error.strerror or error}{where}."
