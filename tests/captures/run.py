#!/usr/bin/python3
"""run.py - the committed captures are what their dialogues and generators make, and talk.py makes what it says.

Framings and checksums are compared with bytes from elsewhere.
"""
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "pcaps"))
import talk                                                                   # noqa: E402

results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % (more,)))


def payloads(text):
    """TCP or UDP payloads of an IPv4 dialogue's frames."""
    data, at, found = talk.build(text), 24, []
    while at < len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        found.append(frame[34 + (frame[46] >> 4) * 4:] if frame[23] == 6 else frame[42:])
    return found


def main():
    stale = talk.check()
    check("%d sources give the captures that are committed" % len(list(talk.sources())), not stale, stale)
    # Modbus over serial line V1.02, 6.2.2; DNP3 as a device of another maker sent it.
    check("CRC-16 of Modbus", talk.crc_modbus(bytes.fromhex("0207")) == bytes.fromhex("4112"))
    check("CRC of DNP3", talk.crc_dnp3(bytes.fromhex("056414c402000300")) == bytes.fromhex("4503"))
    check("CRC of a DNP3 block", talk.crc_dnp3(bytes.fromhex("c7c8013c02063c03063c04063c0106")) == bytes.fromhex("42ac"))
    sent = payloads("tcp 10.9.0.5:1 > 10.9.0.10:502\ncut 3 > mbap 1 17: 03 0000 00*2\nback 2 > 0102\nlost < 00\n< \"hi\" 21")
    wanted = ["", "", "", "000100", "000006110300000000", "0102", "686921"]
    check("a handshake, a cut, an overlap, a loss", [s.hex() for s in sent] == wanted, [s.hex() for s in sent])
    bad = talk.build("udp 10.9.0.5:1 > 10.9.0.10:2\nbadsum > 00")
    good = talk.build("udp 10.9.0.5:1 > 10.9.0.10:2\n> 00")
    check("a wrong checksum is wrong", bad != good and len(bad) == len(good))
    for wrong in ("hello", "> 00", "tcp 10.9.0.5:1 > 10.9.0.10:2\n> 0g", "tcp 10.9.0.5:1 > 10.9.0.10:2\nsoon > 00"):
        try:
            talk.build(wrong)
            check("refuses %r" % wrong, False)
        except SystemExit as e:
            check("refuses %r with its line" % wrong, ":%d:" % (wrong.count("\n") + 1) in str(e), e)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
