#!/usr/bin/env python3
"""Runs `cargo test` with the given arguments, and the suites beside it, and adds their results up.

Suites that cargo does not know run with the whole workspace. The last line is `N passed, N failed`. A test binary that dies counts as one failed
test. An ignored test is an error: a test runs, or is not there.
"""

import re
import subprocess
import sys
import time

# "Running unittests src/lib.rs (…/deps/suanpan_event-0123456789abcdef)" or "Doc-tests suanpan_event"
RUNNING = re.compile(r"^\s*(?:Running (?P<source>.+) \((?:.*/)?(?P<program>.+)-[0-9a-f]+\)|(?P<documentation>Doc-tests \w+))$")
RESULT = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored; \d+ measured; \d+ filtered out")
FAILED = re.compile(r"^test (.+) \.\.\. FAILED$")
IGNORED = re.compile(r"^test (.+) \.\.\. ignored")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SLOWEST_SHOWN = 8
# Each prints `N passed, N failed` as its last line.
SUITES = {"sdk/miniprogram": "scripts/sdk_tests.py"}
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed$")


class Tally:
    """Reads the output line by line; the counts are true once it has ended."""

    def __init__(self):
        self.passed = self.failed = 0
        self.failed_names, self.ignored_names, self.seconds_of = [], [], {}
        self._binary, self._since = None, 0.0

    def read(self, line: str) -> None:
        line = COLOUR.sub("", line.rstrip())
        if running := RUNNING.match(line):
            self._close(died=True)
            program = running["documentation"] or f"{running['program']} ({running['source']})"
            self._binary, self._since = program, time.monotonic()
        elif result := RESULT.match(line):
            self.passed += int(result[1])
            self.failed += int(result[2])
            self._close(died=False)
        elif failed := FAILED.match(line):
            self.failed_names.append(failed[1])
        elif ignored := IGNORED.match(line):
            self.ignored_names.append(ignored[1])

    def end(self) -> None:
        self._close(died=True)

    def add_suite(self, name: str, passed: int, failed: int, seconds: float) -> None:
        self.passed += passed
        self.failed += failed
        self.seconds_of[name] = seconds
        if failed:
            self.failed_names.append(f"{failed} in {name}")

    def _close(self, died: bool) -> None:
        if self._binary is None:
            return
        self.seconds_of[self._binary] = time.monotonic() - self._since
        if died:
            self.failed += 1
            self.failed_names.append(f"{self._binary} (ended without a result)")
        self._binary = None


def main(arguments: list[str]) -> int:
    started = time.monotonic()
    colour = "--color=always" if sys.stdout.isatty() else "--color=never"
    command = ["cargo", "test", "--no-fail-fast", colour, *arguments]
    tests = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    tally = Tally()
    for line in tests.stdout:
        print(line, end="", flush=True)
        tally.read(line)
    status = tests.wait()
    tally.end()
    if "--workspace" in arguments and "--" not in arguments:
        for name, script in SUITES.items():
            run_suite(name, script, tally)
    return report(tally, status, time.monotonic() - started)


def run_suite(name: str, script: str, tally: Tally) -> None:
    print(f"\n     Running {name} ({script})", flush=True)
    started, counts = time.monotonic(), None
    suite = subprocess.Popen([sys.executable, "-B", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in suite.stdout:
        print(line, end="", flush=True)
        counts = COUNTS.match(COLOUR.sub("", line.strip())) or counts
    status = suite.wait()
    passed, failed = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    # A suite that says nothing of failures and ends badly counts as one.
    tally.add_suite(name, passed, failed or int(status != 0 or counts is None), time.monotonic() - started)


def report(tally: Tally, status: int, seconds: float) -> int:
    print(f"\nThe tests took {seconds:.0f} s. Slowest test programs:")
    for binary, own_seconds in sorted(tally.seconds_of.items(), key=lambda item: -item[1])[:SLOWEST_SHOWN]:
        print(f"  {own_seconds:7.1f} s  {binary}")
    for name in tally.failed_names:
        print(f"failed: {name}")
    for name in tally.ignored_names:
        print(f"ignored: {name} (a test runs, or is not there)")
    if status != 0 and tally.failed == 0:
        print(f"cargo test ended with status {status} without naming a failed test")
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if status != 0 or tally.failed or tally.ignored_names else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
