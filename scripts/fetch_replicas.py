#!/usr/bin/env python3
"""Fetches what the tests of replicas run: ZooKeeper, and a ClickHouse server that replicates.

The embedded engine can't replicate, and no newer server can be had by package managers than
the one that Debian has, of 2018. ZooKeeper comes from Maven Central, all versions pinned. The
server's packages are unpacked: nothing is installed, so nobody needs to be root. The last line
printed is the folder of both. At once when it is there.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from debian_packages import call, tool, unpack
from shared_cache import Refusal, cache_dir, exclusive, require_space, run, working_dir

# Group, artifact, version: the server, and two parts that it loads without declaring them.
ZOOKEEPER = [
    ("org.apache.zookeeper", "zookeeper", "3.9.5"),
    ("io.dropwizard.metrics", "metrics-core", "4.1.12.1"),
    ("org.xerial.snappy", "snappy-java", "1.1.10.5"),
]
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
# Debian 12 has 18.16.1.
CLICKHOUSE_PACKAGE = "clickhouse-server"
# 14 MB of jars and as much in Maven's own store, 40 MB of packages, and apt's lists meanwhile.
DISK_BYTES = 600_000_000
PURPOSE = "Fetching ZooKeeper and Debian's ClickHouse"
NAME = "replicas"


def main() -> None:
    place = cache_dir() / NAME
    tool("java")
    if not complete(place):
        with exclusive(NAME, "fetching the servers that replicate") as lock:
            if not complete(place):
                fetch(place, lock)
    print(place)


def complete(place: Path) -> bool:
    """The mark is written last, and names all that decides what lies there."""
    mark = place / "fetched"
    return mark.is_file() and mark.read_text() == contents()


def contents() -> str:
    return hashlib.sha256((pom() + CLICKHOUSE_PACKAGE).encode()).hexdigest()


def fetch(place: Path, lock: int) -> None:
    require_space(DISK_BYTES, PURPOSE)
    print(f"{PURPOSE} (60 MB)", flush=True)
    with working_dir(place.with_name(NAME + ".partial")) as work:
        made = work / NAME
        made.mkdir()
        (work / "pom.xml").write_text(pom())
        call([tool("mvn"), "--quiet", "--batch-mode", "--file", str(work / "pom.xml"), f"{MAVEN_PLUGIN}:copy-dependencies",
              "-DincludeScope=runtime", f"-DoutputDirectory={made / 'zookeeper'}"], work, lock, "ZooKeeper")
        server = unpack(CLICKHOUSE_PACKAGE, work, lock, "ClickHouse")
        if not (server / "usr/sbin/clickhouse-server").exists():
            raise Refusal("The packages that apt fetched hold no clickhouse-server: its distribution has none.")
        os.replace(server, made / "clickhouse")
        (made / "fetched").write_text(contents())
        shutil.rmtree(place, ignore_errors=True)
        os.replace(made, place)


def pom() -> str:
    dependencies = "".join(
        f"    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\n"
        for group, artifact, version in ZOOKEEPER
    )
    return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>suanpan</groupId>
  <artifactId>replicas</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}  </dependencies>
</project>
"""


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    run(main)
