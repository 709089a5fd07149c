#!/usr/bin/env python3
"""Finds PostgreSQL for the tests that run a real one, or fetches it.

An installed one is taken as it is. Else Debian's package and what it needs are unpacked in
the shared folder: nothing is installed, so nobody needs to be root. The last line printed is
the folder of its programs. At once when it is there.
"""

import os
import shutil
import sys
from pathlib import Path

from debian_packages import unpack
from shared_cache import Refusal, cache_dir, exclusive, require_space, run, working_dir

# Whichever version the distribution has: 15 in Debian 12.
PACKAGE = "postgresql"
# 17 MB of packages, 73 MB unpacked, and apt's lists meanwhile.
DISK_BYTES = 400_000_000
PURPOSE = "Fetching PostgreSQL"
INSTALLED = Path("/usr/lib/postgresql")
UNPACKED = Path("usr/lib/postgresql")
NEEDED = ("initdb", "postgres")


def main() -> None:
    root = cache_dir() / "postgres"
    if not (programs := installed() or newest(root / UNPACKED)):
        with exclusive("postgres", "fetching PostgreSQL") as lock:
            if not (programs := newest(root / UNPACKED)):
                fetch(root, lock)
                programs = newest(root / UNPACKED)
    print(programs)


def installed() -> Path | None:
    if found := newest(INSTALLED):
        return found
    places = {Path(found).resolve().parent for name in NEEDED if (found := shutil.which(name))}
    return places.pop() if len(places) == 1 and has_all(next(iter(places))) else None


def newest(versions: Path) -> Path | None:
    """Of the folders named by version, the highest that has the programs."""
    numbered = [folder for folder in versions.glob("*") if folder.name.isdigit() and has_all(folder / "bin")]
    return max(numbered, key=lambda folder: int(folder.name)) / "bin" if numbered else None


def has_all(folder: Path) -> bool:
    return all((folder / name).is_file() for name in NEEDED)


def fetch(root: Path, lock: int) -> None:
    """Unpacks into a folder beside the place, which then appears whole."""
    require_space(DISK_BYTES, PURPOSE)
    print(f"{PURPOSE} (17 MB)", flush=True)
    with working_dir(root.with_name("postgres.partial")) as work:
        unpacked = unpack(PACKAGE, work, lock, "PostgreSQL")
        if not newest(unpacked / UNPACKED):
            raise Refusal("The packages that apt fetched hold no PostgreSQL: install it and run this again.")
        shutil.rmtree(root, ignore_errors=True)
        os.replace(unpacked, root)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
