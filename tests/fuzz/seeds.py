#!/usr/bin/python3
"""seeds.py - what the fuzzers start from, made of pcaps/, rules/, the configuration and the golden frames.

usage: tests/fuzz/seeds.py OUT      one folder a target below OUT
"""
import glob
import gzip
import hashlib
import json
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


def values(seed):
    """The input of fuzz_value for one of fuzz_dissectors: S7 without what carries it; time between messages."""
    which = {"modbus": 0, "cotp": 1, "dnp3": 2}.get(protocols()[seed[0]])
    out, at = bytes([which or 0]), 2
    while which is not None and at + 2 <= len(seed):
        head = struct.unpack(">H", seed[at:at + 2])[0]
        body, at = seed[at + 2:at + 2 + (head & 0xfff)], at + 2 + (head & 0xfff)
        if which == 1:
            if body[5:6] != b"\xf0":
                continue
            body = body[7:]
        out += struct.pack(">BH", head >> 15 | 4, len(body)) + body
    return out


# Points as fuzz_config reads them.
POINTS = b"""names: {10.9.0.10: pump}
points:
  pump/17:
    p: {modbus: holding 100, type: float32, order: CDAB, unit: bar, low: 2, high: 12.5, max_rate: 30/m, kind: setpoint}
    q: {modbus: 40101.3, deadband: 0, stale: 30s, stuck: 10m}
    r: {s7: DB10.DBD4, type: i32, scale: 0.1, offset: -3, low_low: 1, high_high: 1e9}
  "fd00::1": {s: {dnp3: analog_input 3, kind: output}, t: {s7: Q4.6}}
interlocks:
  - {name: dry, when: {s: {gt: 1, lte: 3}, pump/17/q: true}, for: 3s}
"""

BASELINE = b"""baseline:
  - name: run
    until: 2027-01-01T00:00:00Z
    expired: ignore
    talks:
      - {client: 10.9.0.5, device: 10.9.0.10, protocol: modbus, unit: 17, rate: 90, allow: {read_coils: [0-99, 200], function.99: any},
         decide: {umas.stop_plc: {allow: no}, diagnostics.4: {allow: yes}}}
      - {client: "fd00::5", device: "fd00::1", protocol: s7comm, allow: {read_var: [DB10-19 4-8, DB1, Q 0], read_szl: [SZL0x0011]}}
  - {name: weekend, days: [sat, sun], hours: "22:00-04:00", zone: "+08:00", talks: [{client: 1.2.3.4, device: 1.2.3.5, protocol: dnp3,
     unit: 1, allow: {read: [group30 0-4], confirm: []}}]}
"""

# The sensor's half of what fuzz_eve reads.
EVE = {
    "alert": {"event_type": "alert", "src_ip": "203.0.113.7", "dest_ip": "10.9.0.20", "app_proto": "s7comm",
              "alert": {"severity": 1, "category": "ics-command", "signature": "S7 CPU stopped",
                        "metadata": {"mitre_technique_id": ["T1692.001"]}},
              "bongsu": {"rule": "2d6c1f4e-0a5b-4b7e-9c39-6b0f3a1c7d21", "rule_rev": 4, "verb": "stop", "confidence": 80, "count": 2,
                         "ts_ns": 1760000401000000000, "src_role": "ews", "dst_role": "plc", "src_zone": "level 3", "dst_zone": "L1",
                         "changes_state": True, "evidence": {"first": 1}, "verdict": {"outcome": "pending"}}},
    "verdict": {"event_type": "verdict", "src_ip": "203.0.113.7", "dest_ip": "10.9.0.20", "app_proto": "s7comm",
                "bongsu": {"rule": "2d6c1f4e-0a5b-4b7e-9c39-6b0f3a1c7d21", "src_role": "ews", "dst_role": "plc", "severity": 1,
                           "verdict": {"outcome": "accepted"}}},
    "canary": {"bongsu": {"ts_ns": 1760000400500000000}},
    "asset": {"bongsu": {"name": "boiler"}},
}
WINDOW = {"start": 1760000100, "end": 1760000400, "mono_ms": 5, "late": 1, "coarse_s": 300, "jump": True,
          "in": {"pkts": 9, "drops": 1, "events": 10, "other": 1, "alerts": 8, "items": 6, "suppressed": 1, "sampled": 1, "withheld": 0,
                 "lost": {"trimmed": 1}},
          "cov": [[1, 1, 1, 6], [1, 2, 1, 4]], "hl": {"high": True, "sensors": [1, 0]},
          "ver": {"sw": "0.4.0", "rules": "none", "attck": "ics/19"},
          "items": {"6d1f0000000000000000000000000001": {
              "sk": "c0aa0000000000000000000000000001", "rule": "local", "rev": 4, "cat": "ics-command", "tech": "T1692.001",
              "verb": "write", "sev": 2, "conf": 80, "n": 6, "first": 1760000110, "last": 1760000390, "verdicts": {"accepted": 5, "pending": 1},
              "roles": ["engineering>plc"], "zones": ["L3>L1"], "chg": True, "ev": 1,
              "src": {"p": [17], "a": ["10.0.0.1"]}, "dst": {"p": [18, 19], "a": ["203.0.113.7", "2001:db8::7"]}}},
          "fixes": {"6d1f0000000000000000000000000002": {"accepted": 1}}}


def chain(out):
    """Seeds of what the aggregator reads."""
    golden = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "golden", "v1", "*.json"))):
        with open(path, "rb") as f:
            golden[os.path.basename(path)[:-5]] = f.read()
    del golden["keys"]
    for line in golden.values():
        put(out, "fuzz_frame", line.strip())
    put(out, "fuzz_inflate", b"\x01" + gzip.compress(b"".join(golden.values()), mtime=0))
    put(out, "fuzz_inflate", b"\x01" + gzip.compress(bytes(3 << 20), mtime=0))
    put(out, "fuzz_inflate", b"\x00" + bytes.fromhex("28b52ffd240545000062726f6e6773" + "75"))
    put(out, "fuzz_inflate", b"\x00" + bytes.fromhex("28b52ffd045029000062 6f6e677375b1bd5e4a".replace(" ", "")))
    put(out, "fuzz_inflate", b"\x02" + golden["beat"])
    down = [golden[name] for name in ("warning", "notice", "step", "indicators", "pack")]
    for line in down + [b"".join(down), b"".join(reversed(down))]:
        put(out, "fuzz_down", line)
    up = [golden[name] for name in ("digest", "digest-pseudonymous", "receipt", "answer", "evidence")]
    post = b"POST /chain/1/up\nChain-Range: 7/%d-%d\n\n"
    requests = [post % (1, 5) + b"".join(up), b"POST /chain/1/up\n\n" + golden["beat"] + golden["flash"], post % (1, 1) + up[0],
                b"POST /chain/1/up\n\n" + golden["tomb"], b"POST /chain/1/up\n\n" + golden["envelope"], b"GET /chain/1/head\n\n",
                b"GET /chain/1/down?after=0&wait=1\n\n", b"POST /chain/1/renew\n\nx", b"POST /chain/1/enrol\nAuthorization: Bearer x\n\nx",
                b"GET /chain/2/up\n\n"]
    for route in ("node", "children?limit=5", "balance", "digests?org=%s&after=0&limit=3" % ("9f3c" + "0" * 24 + "09f3"), "flashes?since=1",
                  "rollups?res=300&start=0", "rollups", "alarms?limit=1", "notices?open=1", "notices/W86000000-20251009-0001", "packs",
                  "access", "events?kind=health"):
        for role in ("analyst", "owner", "auditor"):
            requests.append(b"GET /api/1/%s\nAuthorization: Bearer %s\nLast-Event-ID: 0\n\n" % (route.encode(), role.encode()))
    requests.append(b"GET /metrics\nAuthorization: Bearer viewer\n\n")
    for request in requests:
        put(out, "fuzz_http", request)
    put(out, "fuzz_http", b"\n----\n".join([requests[0], requests[1], requests[5], requests[3]] + requests[10:14]))
    put(out, "fuzz_http", b"\n----\n".join([requests[2], requests[0], requests[0], requests[16]]))
    entries = [b"1-%d %s %s" % (n, kind.encode(), json.dumps(eve).encode()) for n, (kind, eve) in enumerate(EVE.items(), 1)]
    for entry in entries + [b"\n".join(entries), b"\n\n".join(entries), b"1-2 alert {}", b"2-9 alert x\n3-1 asset"]:
        put(out, "fuzz_eve", entry)
    window = json.dumps(WINDOW, separators=(",", ":")).encode()
    put(out, "fuzz_window", window)
    put(out, "fuzz_window", window + b"\0" + window.replace(b"[1,1,1,6],[1,2,1,4]", b"[1,3,1,6],[2,2,1,4]"))
    for name in ("request.pem", "answer.pem"):
        with open(os.path.join(ROOT, "tests", "golden", "v1", "enrol", name), "rb") as f:
            put(out, "fuzz_enrol", f.read())
    put(out, "fuzz_enrol", b"%s-%s" % (b"0a" * 16, b"0b" * 16))


def packs(out):
    """As they lie in Redis, and as what was signed."""
    items = b'[{"kind":"ip","value":"192.0.2.1"},{"kind":"prefix","value":"10.0.0.0/8"},{"kind":"domain","value":"example.org"}]'
    head = b'{"name":"plant","version":3,"kind":"%s","expires":1798465775,"sha256":"%s","sigs":[{"kid":"0aa570f378839f36","sig":"AA=="}]}\n'
    with open(os.path.join(ROOT, "rules", "cotp.yaml"), "rb") as f:
        rules = f.read().split(b"\n---\n")[0]
    for kind, body in ((b"indicators", items), (b"pack", rules)):
        put(out, "fuzz_pack", body)
        put(out, "fuzz_pack", head % (kind, hashlib.sha256(body).hexdigest().encode()) + body)
    put(out, "fuzz_pack", b'{"name":"plant","version":9,"kind":"withdrawn"}\n')


def arps(out):
    """Claims of addresses as fuzz_arp reads them, and a list of makers."""
    def claim(operation, mac, ip, target):
        return bytes.fromhex("00010800060400%02x0200000000%02x0a0900%02x0200000000050a0900%02x" % (operation, mac, ip, target))
    for claims in ([(2, 16, 16, 5)], [(2, 16, 16, 5), (1, 102, 16, 16), (2, 16, 16, 5)], [(2, 16, 16, 5), (2, 17, 17, 5), (2, 102, 16, 5), (2, 102, 17, 5)]):
        put(out, "fuzz_arp", b"".join(bytes([len(c)]) + c for c in (claim(*one) for one in claims)))
    said = b"\t".join([b"1:2:4578"] + [b"0:0:"] * 6)
    put(out, "fuzz_devices", b"bongsu-devices 1 5\n10.9.0.10\t0\t4294967295\t02:00:0a:09:00:0a\t0\t1\t0\t0\t17\t0\t258\t0\t2\tmodbus,dnp3\t1\t2\t" + said + b"\n")
    put(out, "fuzz_oui", b"08-00-06   (hex)\t\tSIEMENS AG\r\n080006     (base 16)\t\tSIEMENS AG\r\n\t\t\t\tMunich\r\n0080F4     (base 16)\t\tX\n")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    out = sys.argv[1]
    chain(out)
    packs(out)
    arps(out)
    names = protocols()
    for path in sorted(glob.glob(os.path.join(ROOT, "pcaps", "**", "*.pcap*"), recursive=True)):
        with open(path, "rb") as f:
            data = f.read()
        if len(data) < 32768:
            put(out, "fuzz_savefile", data)
        link, packets = frames(data)
        for seed in conversations(packets, names):
            put(out, "fuzz_dissectors", seed)
            put(out, "fuzz_value", values(seed))
        if link in LINKS and packets:
            seed, last = bytes([1, LINKS.index(link)]), packets[0][0]
            for when, frame in packets:
                gap = max(0, min((when - last) // 10**6, 60000))
                seed += struct.pack(">HH", gap, len(frame)) + frame
                last = when
                if len(seed) > 8000:
                    break
            put(out, "fuzz_packet", seed)
            put(out, "fuzz_sensor", seed)
            put(out, "fuzz_contacts", seed)
    texts = {"fuzz_config": ["packaging/sensor.yaml"], "fuzz_rules": ["rules/*.yaml"], "fuzz_yaml": ["rules/*.yaml", "packaging/sensor.yaml"]}
    for target, patterns in texts.items():
        for path in (p for pattern in patterns for p in sorted(glob.glob(os.path.join(ROOT, pattern)))):
            with open(path, "rb") as f:
                data = f.read()
            for document in data.split(b"\n---\n"):
                put(out, target, document)
    put(out, "fuzz_config", POINTS)
    put(out, "fuzz_config", BASELINE)
    for line in (b'{"version": "0.2"}', b'{"command": "silence-remove", "arguments": {"id": "s1"}}',
                 b'{"command": "silence-add", "arguments": {"rule": "5f0f9d6e-52c8-4a37-9d3f-6f3d2f6f5a31", "sid": 7, "verb": "write", "service": "modbus", '
                 b'"level": "low", "src": "10.0.0.1", "dst": ["10.0.0.0/8", "fe80::/10"], "unit": 17, "until": "2026-12-24T18:00:00+08:00", '
                 b'"reason": "a \\"b\\" \\u00e9", "by": "kim"}}',
                 b'{"command": "maintenance-start", "arguments": {"name": "a", "from": "2026-12-24", "until": "2026-12-25T10:00Z", "who": ["10.0.0.1"], '
                 b'"devices": "10.0.0.0/8", "verbs": ["stop", "start"], "lower_to": "informational", "reason": "x", "by": "kim"}}'):
        put(out, "fuzz_control", line)
    with open(os.path.join(ROOT, "rules", "README.md"), "rb") as f:
        for part in re.findall(rb"```yaml\n((?:names|silences|maintenance):.*?)```", f.read(), re.S):
            put(out, "fuzz_config", part.replace(b"[boiler controller, 10.9.1.0/24]", b"10.9.1.0/24"))


if __name__ == "__main__":
    main()
