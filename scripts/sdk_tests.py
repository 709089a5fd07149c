#!/usr/bin/env python3
"""Builds the SDK for mini-programs and the web, checks its size, and runs its tests.

The tools come from npm, pinned by the lock file, and the browser is the one that the
client tests use; both are kept in the shared folder. With $SUANPAN_BIN (the built
binary) or $SUANPAN_URL the tests against a real server run too. `build` as the only
argument builds and checks the size, no more. The last line is `N passed, N failed`.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fetch_clients
from shared_cache import Refusal, cache_dir, exclusive, require_space, run, working_dir

ROOT = Path(__file__).resolve().parent.parent / "sdk" / "miniprogram"
MANIFESTS = ("package.json", "package-lock.json")
NODE_MIN = 20
TOOLS_BYTES = 80_000_000
BROWSER_BYTES = 520_000_000
# A whole test file counts as a test, and the slowest takes a minute on two idle cores.
TEST_TIMEOUT_MS = 600_000
COUNT = re.compile(r"^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$")


def main() -> None:
    node = node_tool()
    link_tools()
    build = subprocess.run([node, "build.mjs"], cwd=ROOT, stdin=subprocess.DEVNULL)
    if build.returncode != 0:
        print("The SDK could not be built, or is too large: see above.\n0 passed, 1 failed", flush=True)
        sys.exit(1)
    if sys.argv[1:] != ["build"]:
        sys.exit(test(node))


def node_tool() -> str:
    node = fetch_clients.tool("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    number = re.match(r"v(\d+)\.", version)
    if not number or int(number[1]) < NODE_MIN:
        raise Refusal(f"The SDK's tests need Node {NODE_MIN} or later, and {node} is {version.strip()}.")
    return node


def link_tools() -> None:
    """Makes node_modules a link into the shared folder; one that a developer installed stays."""
    link, place = ROOT / "node_modules", tools() / "node_modules"
    if link.is_symlink() and Path(os.readlink(link)) != place:
        link.unlink()
    if not link.exists():
        link.symlink_to(place)


def tools() -> Path:
    """The folder npm fetched the tools into, named by all that decides its content."""
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for manifest in MANIFESTS:
        digest.update((ROOT / manifest).read_bytes())
    place = cache_dir() / "sdk" / f"tools-{digest.hexdigest()[:16]}"
    if place.exists():
        return place
    with exclusive("sdk", "fetching the SDK's tools") as lock:
        if place.exists():
            return place
        require_space(TOOLS_BYTES, "Fetching the SDK's tools")
        print("Fetching the SDK's tools", flush=True)
        with working_dir(place.with_name(place.name + ".partial")) as work:
            for manifest in MANIFESTS:
                shutil.copy(ROOT / manifest, work)
            # Not `npm ci`: see fetch_clients.py.
            command = [fetch_clients.tool("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            fetch_clients.call(command, work, lock)
            os.replace(work, place)
    return place


def browser() -> Path:
    """A Chromium on PATH, or Debian's, unpacked: the same that the client tests fetch."""
    if found := next(filter(None, map(shutil.which, fetch_clients.BROWSERS)), None):
        return Path(found)
    place = fetch_clients.place_of("chromium", [])
    if not place.exists():
        with exclusive("clients", "fetching the client libraries") as lock:
            require_space(BROWSER_BYTES, "Fetching the browser")
            print("Fetching the browser", flush=True)
            fetch_clients.install(fetch_clients.chromium, place, lock)
    return place


def test(node: str) -> int:
    files = sorted(ROOT.glob("tests/*.test.mjs"))
    if os.environ.get("SUANPAN_BIN") or os.environ.get("SUANPAN_URL"):
        files += sorted(ROOT.glob("tests/real_server/*.test.mjs"))
    else:
        print("Without SUANPAN_BIN or SUANPAN_URL: not against a real server.", flush=True)
    command = [node, "--test", f"--test-timeout={TEST_TIMEOUT_MS}", "--test-reporter=spec", *map(str, files)]
    settings = {**os.environ, "SUANPAN_CHROMIUM": str(browser())}
    tests = subprocess.Popen(command, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
    counts = dict.fromkeys(("pass", "fail", "cancelled", "skipped", "todo"), 0)
    try:
        for line in tests.stdout:
            print(line, end="", flush=True)
            if count := COUNT.match(line.rstrip()):
                counts[count[1]] = int(count[2])
        status = tests.wait()
    finally:
        if tests.poll() is None:
            tests.terminate()
            tests.wait()
    # A test runs, or is not there.
    failed = counts["fail"] + counts["cancelled"] + counts["skipped"] + counts["todo"]
    failed = max(failed, 1) if status != 0 or counts["pass"] == 0 else failed
    print(f"{counts['pass']} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
