#!/usr/bin/env python3
"""Audits the dependencies with cargo-deny: licences, sources, bans (deny.toml).

cargo-deny is built once from its published crate into the shared folder: about a
minute, unoptimised, because it runs for two seconds.

Known vulnerabilities (advisories) are not part of it: their database is a git
repository, and this check must hold with nothing but the registries in reach. With a
network, `audit_dependencies.py --online` (`make audit-online`) checks them too, and
lists warnings such as two versions of one crate.
"""

import os
import subprocess
import sys
from pathlib import Path

from shared_cache import Refusal, cache_dir, exclusive, run, working_dir

VERSION = "0.20.2"
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    tool = installed()
    # So that the audit itself can read all manifests without a network.
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=ROOT, check=False)
    online = "--online" in sys.argv[1:]
    reach = ["--log-level=warn"] if online else ["--log-level=error", "--offline"]
    command = [tool, *reach, "--locked", "check", "--hide-inclusion-graph", "licenses", "sources", "bans"]
    command += ["advisories"] if online else []
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise Refusal("The dependency audit failed: see above, and deny.toml for the rules.")


def installed() -> str:
    """The path of cargo-deny, built if this is the first use."""
    place = cache_dir() / "tools" / f"cargo-deny-{VERSION}"
    tool = place / "bin" / "cargo-deny"
    if tool.is_file():
        return str(tool)
    with exclusive("cargo-deny", "building cargo-deny"):
        if tool.is_file():
            return str(tool)
        with working_dir(cache_dir() / "tools" / f"cargo-deny-{VERSION}.partial") as work:
            print(f"Building cargo-deny {VERSION} (once, about a minute)", flush=True)
            settings = {**os.environ, "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_TARGET_DIR": str(work / "target")}
            command = ["cargo", "install", "--quiet", "--locked", "--debug", "--no-track"]
            command += [f"--root={work / 'root'}", f"cargo-deny@{VERSION}"]
            # Inside the project, so that rust-toolchain.toml decides which compiler.
            if subprocess.run(command, cwd=ROOT, env=settings).returncode != 0:
                raise Refusal(
                    "cargo-deny could not be built (see above): with the crates registry in reach, run this again."
                )
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / "root", place)
    return str(tool)


if __name__ == "__main__":
    run(main)
