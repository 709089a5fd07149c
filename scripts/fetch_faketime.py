#!/usr/bin/env python3
"""Fetches libfaketime, which steps the clock of the processes that load it.

The last line printed is the library's path.
"""

import os
import sys

from debian_packages import unpack
from shared_cache import cache_dir, exclusive, require_space, run, working_dir

DISK_BYTES = 100_000_000  # Nearly all of it are Debian's lists of packages, for a moment.
PURPOSE = "Fetching libfaketime"


def main() -> None:
    place = cache_dir() / "faketime"
    if not place.exists():
        with exclusive("faketime", "fetching libfaketime") as lock:
            require_space(DISK_BYTES, PURPOSE)
            if not place.exists():
                print(PURPOSE, flush=True)
                with working_dir(place.with_name("faketime.partial")) as work:
                    os.replace(unpack("libfaketime", work, lock, "libfaketime"), place)
    print(next(place.glob("usr/lib/*/faketime/libfaketimeMT.so.1")))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
