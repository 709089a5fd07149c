#!/usr/bin/env python3
"""Fetches the embedded engine: ClickHouse as a library, from its npm package.

Only `libchdb.so` is kept. npm does the download, so its proxy, mirror and
certificate settings hold; the content is checked against the hash below before a
byte of it is unpacked. Does nothing, at once, when the library is there.
"""

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from progress import Progress
from shared_cache import Refusal, cache_dir, exclusive, no_space, put_in_place, require_space, run, working_dir

PACKAGE = "@chdb/lib-linux-x64-gnu"
# Exact: the tag `latest` names an older version, which cannot listen for queries.
VERSION = "26.7.3-stable.1"
PACKAGE_SHA512 = "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="
PACKAGE_BYTES = 177_817_999
LIBRARY_IN_PACKAGE = "package/libchdb.so"
LIBRARY_BYTES = 566_330_096
# The package and the library lie side by side for a moment; npm's index comes on top.
DISK_BYTES = PACKAGE_BYTES + LIBRARY_BYTES + 16_000_000
PURPOSE = "Fetching the engine"
CHUNK_BYTES = 1 << 20


def main() -> None:
    library = cache_dir() / "engine" / VERSION / "libchdb.so"
    if complete(library):
        return
    if not supported(here := (platform.system(), platform.machine(), platform.libc_ver()[0])):
        do_without(here)
        return
    with exclusive("engine", "fetching the engine") as lock:
        if complete(library):
            return
        with working_dir(cache_dir() / "engine" / f"{VERSION}.partial") as work:
            require_space(DISK_BYTES, PURPOSE)
            package = download(work, lock)
            verify(package)
            put_in_place(unpack(package, work), library)
    print(f"The engine is in {library}")


def complete(library: Path) -> bool:
    # It was put there whole and verified, so the size alone tells damage from outside.
    return library.is_file() and library.stat().st_size == LIBRARY_BYTES


def supported(here: tuple[str, str, str]) -> bool:
    return here in (("Linux", "x86_64", "glibc"), ("Linux", "AMD64", "glibc"))


def do_without(here: tuple[str, str, str]) -> None:
    """Elsewhere a `clickhouse` on PATH will do; without one there is nothing to run."""
    this = f"The embedded engine exists for Linux on x86-64 with glibc only, and this is {' '.join(filter(None, here))}"
    if shutil.which("clickhouse"):
        print(f"{this}; the `clickhouse` on PATH will be used.")
        return
    raise Refusal(f"{this}: put a `clickhouse` binary on PATH, or configure a ClickHouse server's URL (SUANPAN_WAREHOUSE_URL).")


def download(work: Path, lock: int) -> Path:
    """The package as npm stored it in a cache of its own, so nothing is left in the user's."""
    npm = shutil.which("npm")
    if npm is None:
        raise Refusal("npm was not found: install Node.js with npm (on Debian: apt-get install npm) and run this again.")
    store, errors = work / "npm", work / "npm-errors.txt"
    command = [npm, "cache", "add", f"{PACKAGE}@{VERSION}", f"--cache={store}", "--loglevel=error"]
    command += ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
    with errors.open("wb") as sink, Progress("Fetching the engine ", PACKAGE_BYTES) as progress:
        child = subprocess.Popen(
            command, cwd=work, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, pass_fds=[lock]
        )
        try:
            while child.poll() is None:
                progress.show(bytes_below(store))
                time.sleep(0.1)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode != 0:
            raise npm_refusal(errors.read_text(errors="replace"))
    packages = [path for path in store.rglob("*") if path.is_file() and path.stat().st_size >= PACKAGE_BYTES]
    if not packages:
        raise Refusal(
            f"npm ended well but did not store {PACKAGE}@{VERSION} whole: "
            "the registry or mirror it is set up with serves another file; ask for the original one."
        )
    return packages[0]


def bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # npm moves finished files while we look
            pass
    return total


def npm_refusal(output: str) -> Refusal:
    network = ("EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
               "ERR_SOCKET_TIMEOUT", "FETCH_ERROR")
    lines = [line.removeprefix("npm error ").strip() for line in output.splitlines() if line.startswith("npm error")]
    code = next((line.removeprefix("code ") for line in lines if line.startswith("code ")), "")
    reason = next((line for line in lines if "reason:" in line), code or "no reason given")
    if code in ("ENOSPC", "EDQUOT"):
        return no_space(PURPOSE, DISK_BYTES)
    if code == "EINTEGRITY":
        return wrong_hash()
    if code in network:
        return Refusal(
            f"npm could not reach its registry ({reason}): check the network, or npm's proxy and registry "
            "settings (npm config list), and run this again."
        )
    if code in ("E404", "ETARGET"):
        return Refusal(
            f"The registry that npm is set up with does not have {PACKAGE}@{VERSION}: "
            "set npm's registry to one that has it (npm config list)."
        )
    return Refusal(f"npm could not fetch {PACKAGE}@{VERSION}: {' '.join(lines) or output.strip() or 'no reason given'}")


def verify(package: Path) -> None:
    digest = hashlib.sha512()
    with package.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    if base64.b64encode(digest.digest()).decode() != PACKAGE_SHA512:
        raise wrong_hash()


def wrong_hash() -> Refusal:
    return Refusal(
        f"What npm fetched as {PACKAGE}@{VERSION} is not the pinned content (its SHA-512 differs), so it was thrown away: "
        "check which registry or proxy npm is set up with (npm config list)."
    )


def unpack(package: Path, work: Path) -> Path:
    library = work / "libchdb.so"
    with tarfile.open(package, "r|gz") as archive, library.open("wb") as out:
        entry = next((entry for entry in archive if entry.name == LIBRARY_IN_PACKAGE), None)
        source = archive.extractfile(entry) if entry else None
        if source is None:
            raise Refusal(f"{PACKAGE}@{VERSION} holds no {LIBRARY_IN_PACKAGE}.")
        with Progress("Unpacking the engine", LIBRARY_BYTES) as progress:
            while chunk := source.read(CHUNK_BYTES):
                out.write(chunk)
                progress.show(out.tell())
    os.chmod(library, 0o644)
    if not complete(library):
        raise Refusal(f"{LIBRARY_IN_PACKAGE} has {library.stat().st_size} bytes, not the expected {LIBRARY_BYTES}.")
    return library


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
