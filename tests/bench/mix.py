#!/usr/bin/python3
"""mix.py - many plants out of a few captures: the same conversations again and again between other addresses.

usage: tests/bench/mix.py OUT.pcap MEGABYTES CAPTURE...

What is added to the lower address of a packet is taken from the higher, in ones' complement, so that every checksum stays what it
was. Only IPv4 over untagged Ethernet is taken.
"""
import struct
import sys


def frames(path):
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") or struct.unpack("<I", data[20:24])[0] != 1:
        return
    unit, at = 1 if data[:1] == b"\x4d" else 1000, 24
    while at + 16 <= len(data):
        sec, sub, cap, wire = struct.unpack("<IIII", data[at:at + 16])
        frame = data[at + 16:at + 16 + cap]
        at += 16 + cap
        if cap >= 34 and frame[12:14] == b"\x08\x00" and frame[14] == 0x45:
            yield sec * 10**9 + sub * unit, frame, wire


def shift(word, by):
    """Ones' complement addition that never comes to zero's other spelling."""
    return (word + by - 1) % 65535 + 1


def moved(frame, n):
    """The frame between the addresses of the nth plant."""
    src, dst = frame[26:30], frame[30:34]
    low = src < dst
    high_by, low_by = n % 251, n // 251                     # of both 16-bit words
    out = bytearray(frame)
    for offset, by in ((26, low_by), (28, high_by)):
        a, b = struct.unpack(">H", out[offset:offset + 2])[0], struct.unpack(">H", out[offset + 4:offset + 6])[0]
        out[offset:offset + 2] = struct.pack(">H", shift(a, by if low else -by))
        out[offset + 4:offset + 6] = struct.pack(">H", shift(b, -by if low else by))
    return bytes(out)


def main():
    out, size = sys.argv[1], int(sys.argv[2]) << 20
    conversations = []
    for path in sys.argv[3:]:
        got = list(frames(path))
        conversations += [[(when - got[0][0], frame, wire) for when, frame, wire in got]] if got else []
    pieces = sorted((piece for c in conversations for piece in c), key=lambda p: p[0])
    span = max(p[0] for p in pieces) + 10**6
    written, n = 24, 0
    with open(out, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        start = 1772438400 * 10**9
        while written < size:
            # Eight plants at a time, so that conversations are woven into each other.
            group = [(when + k * 1000, moved(frame, n + k), wire) for when, frame, wire in pieces for k in range(8)]
            group.sort(key=lambda p: p[0])
            blocks = []
            for when, frame, wire in group:
                at = start + when
                blocks.append(struct.pack("<IIII", at // 10**9, at % 10**9 // 1000, len(frame), wire) + frame)
            block = b"".join(blocks)
            f.write(block)
            written += len(block)
            start += span
            n += 8


if __name__ == "__main__":
    main()
