"""Programs and libraries of Debian, unpacked: nothing is installed, so nobody needs to be root."""

import os
import shutil
import subprocess
from pathlib import Path

from shared_cache import Refusal

DEBIAN = {"mvn": "maven", "javac": "default-jdk", "apt-get": "apt", "dpkg-deb": "dpkg"}
OUTPUT_SHOWN = 2000


def unpack(package: str, work: Path, lock: int, purpose: str) -> Path:
    """The package and what it needs that is not here yet, below one folder in `work`."""
    lists, packages, root = work / "lists", work / "packages", work / "root"
    for folder in (lists / "partial", packages / "partial", root):
        folder.mkdir(parents=True)
    options = [f"-oDir::State::lists={lists}", f"-oDir::Cache={work}", f"-oDir::Cache::archives={packages}",
               "-oDebug::NoLocking=1", "-oAPT::Sandbox::User=", "-qq"]
    call([tool("apt-get"), *options, "update"], work, lock, purpose)
    call([tool("apt-get"), *options, "--yes", "--no-install-recommends", "--download-only", "install", package], work, lock, purpose)
    for file in sorted(packages.glob("*.deb")):
        call([tool("dpkg-deb"), "--extract", str(file), str(root)], work, lock, purpose)
    return root


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Refusal(f"{name} was not found: install it (on Debian: apt-get install {DEBIAN.get(name, name)}) and run this again.")
    return found


def call(command: list[str], folder: Path, lock: int, purpose: str, settings: dict[str, str] | None = None) -> None:
    """Runs a fetching command, which keeps the lock should this process be killed."""
    ended = subprocess.run(command, cwd=folder, env={**os.environ, **(settings or {})}, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", pass_fds=[lock])
    if ended.returncode != 0:
        said = ended.stdout.strip()[-OUTPUT_SHOWN:] or "no reason given"
        raise Refusal(f"{Path(command[0]).name} could not fetch {purpose}; mend what it says and run this again:\n{said}")
