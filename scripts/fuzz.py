#!/usr/bin/env python3
"""Fuzzes every decoder for some seconds each, and fails at the first crash.

    fuzz.py SECONDS

cargo-fuzz is built once, into the shared cache. What it finds stays in
fuzz/artifacts, what it learns in the cache, so that each run goes on from the last.
"""

import os
import subprocess
import sys
from pathlib import Path

CARGO_FUZZ = "0.13.2"
# More than twice the limit on an unpacked body means that a limit does not hold.
MEMORY_MB = 512
# One input must not take longer: all work is linear in the body.
SECONDS_PER_INPUT = 10


def main(seconds: int) -> int:
    root = Path(__file__).resolve().parent.parent
    cache = Path(os.environ.get("SUANPAN_CACHE") or Path.home() / ".cache/suanpan")
    if "nightly" not in subprocess.run(["rustup", "toolchain", "list"], capture_output=True, text=True).stdout:
        print("fuzzing needs a nightly Rust: rustup toolchain install nightly", file=sys.stderr)
        return 1
    tools = cache / "tools" / f"cargo-fuzz-{CARGO_FUZZ}"
    program = tools / "bin/cargo-fuzz"
    if not program.is_file():
        install = ["cargo", "install", "--locked", "--root", str(tools), f"cargo-fuzz@{CARGO_FUZZ}"]
        subprocess.run(install, check=True)
    targets = sorted(file.stem for file in (root / "fuzz/fuzz_targets").glob("*.rs"))
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("CARGO_TARGET_DIR", None)
    for target in targets:
        corpus = cache / "fuzz" / target
        corpus.mkdir(parents=True, exist_ok=True)
        print(f"fuzzing {target} for {seconds} s", flush=True)
        command = ["cargo", "+nightly", "fuzz", "run", "--target-dir", str(cache / "fuzz-target"), target, str(corpus), "--",
                   f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS_PER_INPUT}",
                   "-max_len=65536", "-print_final_stats=1", "-verbosity=0"]
        if subprocess.run(command, cwd=root, env=environment).returncode != 0:
            print(f"{target} failed; the input that did it is in fuzz/artifacts/{target}", file=sys.stderr)
            return 1
    print(f"{len(targets)} decoders fuzzed for {seconds} s each, no crash")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    sys.exit(main(int(sys.argv[1])))
