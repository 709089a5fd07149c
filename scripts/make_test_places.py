#!/usr/bin/env python3
"""Makes crates/gateway/tests/data/places.mmdb: a MaxMind-format file of a few documentation networks.

The format is MaxMind DB 2.0: a binary search tree over the bits of an address, 16 zero bytes, the
records, and the metadata behind a marker. IPv4 networks lie under ::/96.
"""

import ipaddress
import sys
from pathlib import Path

RECORD_BITS = 24
SEPARATOR = bytes(16)
MARKER = b"\xab\xcd\xefMaxMind.com"


def place(country: str, region: tuple[str, str] = ("", ""), city: tuple[str, str] = ("", "")) -> dict:
    record = {"country": {"iso_code": country}}
    if region[0]:
        record["subdivisions"] = [{"names": names(region)}]
    if city[0]:
        record["city"] = {"names": names(city)}
    return record


def names(both: tuple[str, str]) -> dict:
    english, chinese = both
    return {"en": english} | ({"zh-CN": chinese} if chinese else {})


PLACES = {
    "203.0.113.0/24": place("CN", ("Shanghai", "上海"), ("Shanghai", "上海")),
    "198.51.100.0/24": place("DE", ("Land Berlin", ""), ("Berlin", "柏林")),
    "192.0.2.0/24": place("JP"),
    "2001:db8:1::/48": place("US", ("California", "加州"), ("San Francisco", "旧金山")),
}


class Uint(int):
    """A number with the type it has in the file: 5 is 16 bits, 6 is 32, 9 is 64."""

    type: int


def uint(value: int, kind: int) -> Uint:
    number = Uint(value)
    number.type = kind
    return number


def encode(value: object) -> bytes:
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encode, value))
    if isinstance(value, str):
        return control(2, len(value.encode())) + value.encode()
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return control(value.type, len(digits)) + digits


def control(kind: int, size: int) -> bytes:
    assert size < 29 + 256, "longer texts need another form"
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | short]) + more if kind <= 7 else bytes([short, kind - 7]) + more


def tree(places: dict[str, int]) -> list[list]:
    """Nodes of two branches; a branch is a node's number, a record's offset as ("at", n), or None."""
    nodes = [[None, None]]
    for network, offset in places.items():
        network = ipaddress.ip_network(network)
        bits, length = int(network.network_address), network.prefixlen + (96 if network.version == 4 else 0)
        node = 0
        for depth in range(length):
            bit = bits >> (127 - depth) & 1
            if depth == length - 1:
                nodes[node][bit] = ("at", offset)
            elif nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
    return nodes


def database(places: dict[str, dict]) -> bytes:
    data, offsets = b"", {}
    for network, record in places.items():
        offsets[network] = len(data)
        data += encode(record)
    nodes = tree(offsets)

    def branch(to: object) -> bytes:
        number = len(nodes) if to is None else to if isinstance(to, int) else len(nodes) + 16 + to[1]
        return number.to_bytes(RECORD_BITS // 8, "big")

    metadata = {
        "binary_format_major_version": uint(2, 5), "binary_format_minor_version": uint(0, 5),
        "build_epoch": uint(1_767_225_600, 9), "database_type": "Suanpan-Test-City",
        "description": {"en": "Places of documentation networks, for tests"}, "ip_version": uint(6, 5),
        "languages": ["en", "zh-CN"], "node_count": uint(len(nodes), 6), "record_size": uint(RECORD_BITS, 5),
    }
    search = b"".join(branch(left) + branch(right) for left, right in nodes)
    return search + SEPARATOR + data + MARKER + encode(metadata)


def main() -> int:
    file = Path(__file__).resolve().parent.parent / "crates/gateway/tests/data/places.mmdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(database(PLACES))
    print(f"{file.name}: {file.stat().st_size} bytes, {len(PLACES)} networks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
