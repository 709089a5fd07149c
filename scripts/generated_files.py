#!/usr/bin/env python3
"""Writes, or checks, the files in docs/ that the binary itself prints.

    generated_files.py write BINARY
    generated_files.py check BINARY
"""

import difflib
import subprocess
import sys
from pathlib import Path

# Subcommand -> the file its output is kept in. The one list.
GENERATED = {
    "config-reference": "docs/configuration.md",
    "openapi": "docs/openapi.json",
    "rule-schema": "docs/rule.schema.json",
    "metrics-reference": "docs/metrics.md",
    "codes-reference": "docs/outcome-codes.md",
}
DIFF_LINES_MAX = 40


def main(action: str, binary: str) -> int:
    root = Path(__file__).resolve().parent.parent
    stale = 0
    for subcommand, name in GENERATED.items():
        run = subprocess.run([binary, subcommand], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if run.returncode != 0 or not run.stdout.strip():
            print(f"`suanpan {subcommand}` failed with status {run.returncode}; it should print {name}", file=sys.stderr)
            return 1
        file, text = root / name, run.stdout.decode()
        kept = file.read_text() if file.is_file() else ""
        if kept == text:
            continue
        if action == "write":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            print(f"wrote {name}")
            continue
        stale += 1
        print(f"{name} is not what `suanpan {subcommand}` prints; run `make generate`", file=sys.stderr)
        diff = list(difflib.unified_diff(kept.splitlines(), text.splitlines(), name, "generated", lineterm="", n=1))
        print("\n".join(diff[:DIFF_LINES_MAX]), file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
