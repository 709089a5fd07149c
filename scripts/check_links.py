#!/usr/bin/env python3
"""Checks that each relative link in a Markdown file leads to a file and a heading.

Links to other sites are not followed: the check must hold without a network.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?", re.MULTILINE)
CODE = re.compile(r"^( {0,3})(`{3,}|~{3,}).*?^ {0,3}\2[`~]*[ \t]*$|(`+)(?!`).*?(?<!`)\3(?!`)", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.md"],
        cwd=root, stdout=subprocess.PIPE, check=True,
    ).stdout.decode()
    files = [root / name for name in listed.split("\0") if name and (root / name).is_file()]
    faults = [fault for file in files for fault in faults_of(file, root)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def faults_of(file: Path, root: Path):
    # Code keeps its line breaks, so that the line numbers stay true.
    text = CODE.sub(lambda m: "\n" * m[0].count("\n"), file.read_text())
    for link in LINK.finditer(text):
        target = link[1] or link[2]
        if ELSEWHERE.match(target):
            continue
        place = f"{file.relative_to(root)}:{text.count(chr(10), 0, link.start()) + 1}"
        path, _, heading = unquote(target).partition("#")
        goal = (root / path.lstrip("/") if path.startswith("/") else file.parent / path).resolve() if path else file
        if not goal.is_relative_to(root):
            yield f"{place}: {target} leads out of the project"
        elif not goal.exists():
            yield f"{place}: {target} leads nowhere"
        elif heading and goal.suffix == ".md" and heading not in headings(goal):
            yield f"{place}: {goal.relative_to(root)} has no heading #{heading}"


def headings(file: Path) -> set[str]:
    """The anchors of a file's headings: lower case, no punctuation, blanks as hyphens, repeats numbered."""
    fences = re.compile(r"^( {0,3})(`{3,}|~{3,}).*?^ {0,3}\2[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
    text, anchors = fences.sub("", file.read_text()), set()
    for title in re.findall(r"^#{1,6}\s+(.+?)\s*#*\s*$", text, re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        anchor, repeat = slug, 0
        while anchor in anchors:
            repeat += 1
            anchor = f"{slug}-{repeat}"
        anchors.add(anchor)
    return anchors | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


if __name__ == "__main__":
    sys.exit(main())
