#!/usr/bin/python3
"""seeds.py - what the fuzzers start from, made of pcaps/, rules/ and the configuration.

usage: tests/fuzz/seeds.py OUT      one folder a target below OUT
"""
import glob
import hashlib
import os
import re
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORTS = {502: "modbus", 102: "cotp", 20000: "dnp3"}
LINKS = [1, 0, 12, 14, 101, 108, 113, 228, 229, 276, 147, 9]       # as in fuzz_packet.c


def protocols():
    """Names in the order of the registry."""
    with open(os.path.join(ROOT, "dissectors", "protocols.def"), encoding="utf-8") as f:
        return re.findall(r"^PROTOCOL\((\w+)\)", f.read(), re.M)


def put(out, target, data):
    folder = os.path.join(out, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


def frames(data):
    """(link, [(ns, bytes)]) of a little-endian classic pcap; nothing of others."""
    if len(data) < 24 or data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        return 1, []
    unit = 1 if data[:1] == b"\x4d" else 1000
    link, at, found = struct.unpack("<I", data[20:24])[0], 24, []
    while at + 16 <= len(data):
        sec, sub, cap, _ = struct.unpack("<IIII", data[at:at + 16])
        found.append((sec * 10**9 + sub * unit, data[at + 16:at + 16 + cap]))
        at += 16 + cap
    return link & 0xffff, found


def payload(frame):
    """(ends, l4, payload) of plain IPv4 over Ethernet."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45 or frame[23] not in (6, 17):
        return None
    total = struct.unpack(">H", frame[16:18])[0]
    segment = frame[34:14 + total]
    if len(segment) < 20:
        return None
    ports = struct.unpack(">HH", segment[:4])
    body = segment[(segment[12] >> 4) * 4:] if frame[23] == 6 else segment[8:]
    return (frame[26:30], ports[0], frame[30:34], ports[1]), frame[23], body


def conversations(packets, names):
    """Inputs of fuzz_dissectors: protocol, flags, then each payload with its direction."""
    flows = {}
    for _, frame in packets:
        got = payload(frame)
        if got is None or not got[2]:
            continue
        (src, sport, dst, dport), l4, body = got
        to_server = dport in PORTS or sport not in PORTS
        key = (src, sport, dst, dport) if to_server else (dst, dport, src, sport)
        flows.setdefault((key, l4), []).append((0 if to_server else 0x8000, body))
    for (key, l4), pieces in flows.items():
        name = PORTS.get(key[3], PORTS.get(key[1]))
        for index in [names.index(name)] if name in names else range(len(names)):
            head = bytes([index, 1 if l4 == 17 else 0])
            body = b"".join(struct.pack(">H", way | len(b)) + b for way, b in pieces if len(b) < 4096)
            yield head + body[:6000]


def main():
    out = sys.argv[1]
    names = protocols()
    for path in sorted(glob.glob(os.path.join(ROOT, "pcaps", "**", "*.pcap*"), recursive=True)):
        with open(path, "rb") as f:
            data = f.read()
        if len(data) < 32768:
            put(out, "fuzz_savefile", data)
        link, packets = frames(data)
        for seed in conversations(packets, names):
            put(out, "fuzz_dissectors", seed)
        if link in LINKS and packets:
            seed, last = bytes([1, LINKS.index(link)]), packets[0][0]
            for when, frame in packets:
                gap = max(0, min((when - last) // 10**6, 60000))
                seed += struct.pack(">HH", gap, len(frame)) + frame
                last = when
                if len(seed) > 8000:
                    break
            put(out, "fuzz_packet", seed)
    texts = {"fuzz_config": ["packaging/sensor.yaml"], "fuzz_rules": ["rules/*.yaml"], "fuzz_yaml": ["rules/*.yaml", "packaging/sensor.yaml"]}
    for target, patterns in texts.items():
        for path in (p for pattern in patterns for p in sorted(glob.glob(os.path.join(ROOT, pattern)))):
            with open(path, "rb") as f:
                data = f.read()
            for document in data.split(b"\n---\n"):
                put(out, target, document)


if __name__ == "__main__":
    main()
