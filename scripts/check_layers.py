#!/usr/bin/env python3
"""Holds the arrows between the crates, and the few other rules of the layout.

The tables below are the rules; each failure names the rule and the place. Comments
may speak of anything; only code counts.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# Crate -> the crates of ours it may use, in the order of an event's journey.
MAY_USE = {
    # Reports from outside; its queue on disk is the log.
    "sdk": ["log"],
    "event": [],
    "catalog": ["event"],
    "wire": ["event"],
    "gateway": ["event", "wire", "catalog", "log"],
    "log": [],
    "pipeline": ["event", "catalog", "log", "warehouse"],
    "warehouse": ["event"],
    "accounts": ["event", "catalog", "log", "warehouse"],
    "rules": ["event"],
    "answers": ["event", "catalog", "rules", "warehouse"],
    "server": ["event", "wire", "catalog", "gateway", "log", "pipeline", "warehouse", "accounts", "rules", "answers"],
    "app": ["sdk", "event", "catalog", "gateway", "log", "pipeline", "warehouse", "accounts", "rules", "answers", "server"],
    # Starts real components for tests.
    "parts": [],
    # They drive the real binary from outside.
    "journey": ["event", "parts"],
    "bench": ["event", "wire", "sdk"],
}
# What tests may use besides: golden SQL runs on the engine, the SDK reports to a real gateway.
TESTS_MAY_USE = {
    "rules": ["warehouse"],
    "sdk": ["catalog", "gateway"],
    # What is audited was brought in by a real pipeline.
    "accounts": ["pipeline"],
    **{crate: ["parts"] for crate in ("catalog", "log", "pipeline", "warehouse", "app")},
}

# Libraries that give a right to do I/O -> the crates that have it. Tests are free.
ONLY_IN = {
    ("axum", "hyper", "hyper-util", "tower-http", "utoipa"): ["gateway", "server", "app", "bench"],
    ("reqwest", "rustls"): ["sdk", "warehouse", "app", "journey", "bench"],
    ("sqlx",): ["catalog"],
    ("rdkafka",): ["log"],
    ("arrow-array", "arrow-schema", "arrow-ipc", "libloading"): ["warehouse"],
    ("clap", "anyhow"): ["app", "journey", "bench"],
}
# Pure crates: they compute, and never wait for anything.
PURE = ["event", "wire", "rules"]
RUNTIMES = ["tokio", "async-std", "smol", "futures-util"]

# Crate -> words that its code (not its comments, not its tests) must not contain, and why.
MUST_NOT_SAY = {
    "event": [(r"clickhouse", "event knows nothing of storage")],
    "catalog": [(r"clickhouse", "catalog must not know ClickHouse")],
    "gateway": [
        (r"clickhouse", "gateway must accept events while ClickHouse is down"),
        (r"\bSELECT\s", "gateway must not know SQL"),
    ],
    "log": [(r"clickhouse", "log must not know what its records are for")],
    "answers": [(r"(?-i:\bSELECT\s)", "answers must not know SQL text")],
    "accounts": [(r"(?-i:\bSELECT\s)", "accounts must not know SQL text")],
    "server": [(r"(?-i:\bSELECT\s)", "server must not know storage details")],
}

LINES_MAX = 600
NO_NOUN = {"util", "utils", "common", "helper", "helpers", "misc", "legacy"}


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    packages = metadata(root)["packages"]
    faults = []
    for package in packages:
        name = package["name"].removeprefix("suanpan-")
        folder = Path(package["manifest_path"]).parent
        if name not in MAY_USE:
            faults.append(f"{folder.relative_to(root)}: crate {name} has no line in MAY_USE of scripts/check_layers.py")
            continue
        faults += check_arrows(name, package["dependencies"])
        for file in sorted(folder.rglob("*.rs")):
            faults += check_file(name, file, file.relative_to(root))
    faults += [f"MAY_USE of scripts/check_layers.py names {name}, which is no crate of the workspace"
               for name in MAY_USE if name not in {p["name"].removeprefix("suanpan-") for p in packages}]
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print(f"{len(faults)} breaches of the layout; the rules are tables in scripts/check_layers.py", file=sys.stderr)
    return 1 if faults else 0


def metadata(root: Path) -> dict:
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"]
    return json.loads(subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True).stdout)


def check_arrows(name: str, dependencies: list[dict]) -> list[str]:
    faults = []
    for dependency in dependencies:
        other, for_tests = dependency["name"], dependency["kind"] == "dev"
        if other.startswith("suanpan-"):
            other = other.removeprefix("suanpan-")
            allowed = MAY_USE[name] + (TESTS_MAY_USE.get(name, []) if for_tests else [])
            if other not in allowed:
                faults.append(f"{name} uses {other}: it may use {', '.join(allowed) or 'none of our crates'}")
        elif not for_tests:
            for libraries, homes in ONLY_IN.items():
                if other in libraries and name not in homes:
                    faults.append(f"{name} uses {other}: only {', '.join(homes)} may")
            if name in PURE and other in RUNTIMES:
                faults.append(f"{name} uses {other}: {name} is pure, without I/O or waiting")
    return faults


def check_file(crate: str, file: Path, shown: Path) -> list[str]:
    faults = []
    if file.stem in NO_NOUN or NO_NOUN.intersection(shown.parent.parts):
        faults.append(f"{shown}: '{(NO_NOUN & {file.stem, *shown.parent.parts}).pop()}' is no noun of this project; name the thing")
    text = file.read_text()
    code = without_test_tail(text)
    lines = code.count("\n")
    if lines > LINES_MAX:
        faults.append(f"{shown}: {lines} lines without its tests, the limit is {LINES_MAX}; look for the second noun in it")
    if "src" not in shown.parts:
        return faults
    for number, line in enumerate(without_comments(code).split("\n"), 1):
        if module := re.match(r"\s*(?:pub(?:\([^)]*\))? )?mod (\w+)", line):
            if module[1] in NO_NOUN:
                faults.append(f"{shown}:{number}: module '{module[1]}' is no noun of this project; name the thing")
        for pattern, reason in MUST_NOT_SAY.get(crate, []):
            if word := re.search(pattern, line, re.IGNORECASE):
                faults.append(f"{shown}:{number}: '{word[0].strip()}' in code: {reason}")
    return faults


def without_test_tail(text: str) -> str:
    tail = re.search(r"^#\[cfg\(test\)\]\s*\n(?:#\[.*\]\s*\n)*mod \w+ \{", text, re.MULTILINE)
    return text[: tail.start()] if tail else text


# Strings first, so that `//` inside one (a URL) starts no comment; comments next.
STRING_OR_COMMENT = re.compile(
    r'r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|(?P<comment>//[^\n]*|/\*.*?\*/)', re.DOTALL
)


def without_comments(code: str) -> str:
    """The code with each comment's letters gone and its line breaks kept."""
    return STRING_OR_COMMENT.sub(lambda m: "\n" * m[0].count("\n") if m["comment"] else m[0], code)


if __name__ == "__main__":
    sys.exit(main())
