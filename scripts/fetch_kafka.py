#!/usr/bin/env python3
"""Fetches Kafka, as its jars, for the tests that run real brokers.

Maven does the download, with its own proxy and mirror settings. All versions are pinned
below; the folder is named by them, so it is fetched once for all clones, and again only
when they change. The last line printed is the folder. At once when it is there.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from shared_cache import Refusal, cache_dir, exclusive, require_space, run, working_dir

VERSION = "4.3.1"
# Group, artifact, version, and what of its dependencies no test runs.
DEPENDENCIES = [
    ("org.apache.kafka", "kafka_2.13", VERSION, []),
    ("org.apache.kafka", "kafka-tools", VERSION,
     [("org.apache.kafka", "connect-runtime"), ("com.fasterxml.jackson.jakarta.rs", "jackson-jakarta-rs-json-provider")]),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4", []),
]
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
# 44 MB of jars, and as much again in Maven's own store.
DISK_BYTES = 150_000_000
PURPOSE = "Fetching Kafka"
DEBIAN = {"mvn": "maven", "java": "default-jre-headless"}
OUTPUT_SHOWN = 2000


def main() -> None:
    place = cache_dir() / "kafka" / VERSION
    tool("java")
    if not complete(place):
        with exclusive("kafka", "fetching Kafka") as lock:
            if not complete(place):
                fetch(place, lock)
    print(place)


def complete(place: Path) -> bool:
    """The mark is written last, and names all that decides what lies there."""
    mark = place / "fetched"
    return mark.is_file() and mark.read_text() == contents()


def contents() -> str:
    return hashlib.sha256(pom().encode()).hexdigest()


def fetch(place: Path, lock: int) -> None:
    maven = tool("mvn")
    require_space(DISK_BYTES, PURPOSE)
    print(f"{PURPOSE} {VERSION} (44 MB)", flush=True)
    with working_dir(place.with_name(place.name + ".partial")) as work:
        (work / "pom.xml").write_text(pom())
        jars = work / "kafka"
        call([maven, "--quiet", "--batch-mode", "--file", str(work / "pom.xml"), f"{MAVEN_PLUGIN}:copy-dependencies",
              "-DincludeScope=runtime", f"-DoutputDirectory={jars}"], work, lock)
        (jars / "fetched").write_text(contents())
        shutil.rmtree(place, ignore_errors=True)
        os.replace(jars, place)


def pom() -> str:
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>suanpan</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{"".join(dependency(*row) for row in DEPENDENCIES)}  </dependencies>
</project>
"""


def dependency(group: str, artifact: str, version: str, without: list[tuple[str, str]]) -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>" for group, artifact in without
    )
    return (
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        f"{f'<exclusions>{exclusions}</exclusions>' if exclusions else ''}</dependency>\n"
    )


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Refusal(f"{name} was not found, and the tests of the cluster's log run a real Kafka: "
                      f"install it (on Debian: apt-get install {DEBIAN[name]}) and run this again.")
    return found


def call(command: list[str], folder: Path, lock: int) -> None:
    ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", pass_fds=[lock])
    if ended.returncode != 0:
        said = ended.stdout.strip()[-OUTPUT_SHOWN:] or "no reason given"
        raise Refusal(f"Maven could not fetch Kafka; mend what it says and run this again:\n{said}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
