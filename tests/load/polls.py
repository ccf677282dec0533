"""polls.py - what polls.c writes is what it says it writes: held by a reader of its own, by the sensor, and by tshark where it is there."""

import collections
import json
import os
import re
import shutil
import struct
import subprocess

import everything

PORTS = {502: "modbus", 102: "s7comm", 20000: "dnp3"}
FIN_SYN_RST, SYN = 7, 2


class Flow:
    """Both directions of a connection: what each end has said, has been told, and asks and answers by number."""

    def __init__(self):
        self.next, self.asked = {}, None


def ones(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def crc(data):
    """DNP3's, bit by bit."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xa6bc if value & 1 else 0)
    return struct.pack("<H", value ^ 0xffff)


def modbus(data, ask):
    number, zero, length = struct.unpack(">HHH", data[:6])
    assert zero == 0 and length == len(data) - 6 and not data[7] & 0x80
    assert ask or data[7] not in (1, 2, 3, 4) or data[8] == len(data) - 9
    return number


def s7comm(data, ask):
    assert data[0] == 3 and struct.unpack(">H", data[2:4])[0] == len(data)
    if data[4] != 2:  # a connection is asked for and confirmed
        assert data[4] == len(data) - 5 and data[5] == (0xe0 if ask else 0xd0)
        return 0
    kind, _, number, parameter, values = struct.unpack(">BHHHH", data[8:17])
    assert data[7] == 0x32 and kind == (1 if ask else 3)
    assert len(data) == (17 if ask else 19) + parameter + values and (ask or data[17:19] == b"\0\0")
    return number


def dnp3(data, ask):
    length, blocks = data[2], [data[:10]] + [data[n:n + 18] for n in range(10, len(data), 18)]
    assert data[:2] == b"\x05\x64" and all(crc(b[:-2]) == b[-2:] for b in blocks)
    user = b"".join(b[:-2] for b in blocks[1:])
    assert length == 5 + len(user) and data[3] == (0xc4 if ask else 0x44)
    assert user[0] & 0xc0 == 0xc0 and user[2] in ((0, 1) if ask else (129,))
    return None if user[2] == 0 else user[1] & 15  # a confirm is answered by nothing


READERS = {"modbus": modbus, "s7comm": s7comm, "dnp3": dnp3}


def packets(capture):
    at, last = 24, 0
    while at < len(capture):
        seconds, us, size, wire = struct.unpack("<IIII", capture[at:at + 16])
        assert size == wire and (seconds, us) >= (last or (0, 0))
        last = (seconds, us)
        yield capture[at + 16:at + 16 + size]
        at += 16 + size


def read_packet(frame, flows, counts):
    ip = frame[14:14 + struct.unpack(">H", frame[16:18])[0]]
    tcp, src, dst = ip[20:], ip[12:16], ip[16:20]
    assert ones(ip[:20]) == 0xffff and ones(src + dst + struct.pack(">HH", 6, len(tcp)) + tcp) == 0xffff
    sport, dport, seq, ack, word = struct.unpack(">HHIIH", tcp[:14])
    ask = dport in PORTS
    service, data = PORTS[dport if ask else sport], tcp[(word >> 12) * 4:]
    flow = flows[(src, sport) if ask else (dst, dport)]
    flow.next.setdefault(ask, seq)
    assert seq == flow.next[ask] and (not flow.next.get(not ask) or ack == flow.next[not ask])
    assert not word & FIN_SYN_RST or word & FIN_SYN_RST == SYN
    flow.next[ask] = (seq + len(data) + (word & SYN != 0)) % 2**32
    counts[service, "packets"] += 1
    if data:
        counts[service, "messages"] += 1
        number = READERS[service](data, ask)
        assert ask or number == flow.asked
        flow.asked = number


def run(program, count, plants, seed=1):
    """(capture, what the generator says of it)."""
    done = subprocess.run([program, str(count), str(plants), str(seed)], capture_output=True, check=True)
    return done.stdout, json.loads(done.stderr)


def said_by(told):
    return {(service, what): told[service][what] for service in READERS for what in ("packets", "messages")}


def check_bytes(program, check):
    capture, told = run(program, 30000, 8)
    flows, counts = collections.defaultdict(Flow), collections.Counter()
    for frame in packets(capture):
        read_packet(frame, flows, counts)
    check(dict(counts) == said_by(told), "polls: another reader finds sums, sequences, lengths, CRCs and numbers right, and as many messages")
    check(len(flows) == 24, "polls: three connections of each plant, for ever")
    check(capture.startswith(run(program, 10000, 8)[0]), "polls: fewer packets are the beginning of more")
    check(capture != run(program, 30000, 8, 2)[0], "polls: another seed is another run")
    return capture


def check_tshark(path, told, check):
    if not shutil.which("tshark"):
        return
    out = subprocess.run(["tshark", "-n", "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-e", "tcp.checksum.status", "-e",
                          "frame.protocols", "-e", "_ws.malformed"], capture_output=True, check=True, text=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    counts = {service: sum(bool(re.search(":(%s|cotp)\\b" % service if service == "s7comm" else ":%s\\b" % service, row[1])) for row in rows)
              for service in READERS}
    check(counts == {service: told[service]["messages"] for service in READERS}, "polls: tshark counts as many messages")
    check(all(row[0] == "1" and row[2] == "" for row in rows), "polls: tshark finds no checksum wrong and nothing malformed")


def check_shares(told, check):
    """What captures of real plants have, polls/README.md."""
    messages, again, same = (sum(told[service][what] for service in READERS) for what in ("messages", "again", "same"))
    check(0.6 < messages / told["packets"] < 0.85, "polls: %.2f of the packets have a message" % (messages / told["packets"]))
    check(0.5 < same / again < 0.75, "polls: %.2f of the replies are as the one before" % (same / again))


def told_of(events):
    """Alerts above low, and points of which a value was told."""
    loud, followed = set(), set()
    with open(events, encoding="utf-8") as f:
        for line in f:
            event = json.loads(line)
            if event["event_type"] == "value":
                followed.add(event["value"]["fields"]["point"])
            elif event["event_type"] == "alert" and event["alert"]["severity"] < 4:
                loud.add(event["alert"]["signature"])
    return loud, followed


def check_sensor(sensor, rules, program, folder, check):
    """Each message is read, none is odd; and what is normal was learned, so that nothing is new."""
    names = ("first.pcap", "polls.pcap", "site.yaml", "polls.yaml", "events.json")
    first, path, site, config, events = (os.path.join(folder, name) for name in names)
    for out, count in ((first, 150000), (path, 200000)):
        capture, told = run(program, count, 16)
        with open(out, "wb") as f:
            f.write(capture)
    check_tshark(path, told, check)
    check_shares(told, check)
    everything.learn(sensor, first, site, checksums=True)
    everything.write_polls(config, 16, site, os.path.join(folder, "evidence"))
    said = subprocess.run([sensor, "-S", rules, "-r", path, "-c", config, "-o", "file:" + events, "--events", "alert,anomaly,value"],
                          check=True, capture_output=True, text=True).stderr
    read = {name: int(n.replace(",", "")) for name, n in re.findall(r"(modbus|cotp|s7comm|dnp3) ([\d,]+)", said)}
    read["s7comm"] += read.pop("cotp")
    check(read == {service: told[service]["messages"] for service in READERS}, "polls: the sensor reads each message")
    check("anomalies 0" in said and "nothing: every byte was" in said, "polls: and none is odd")
    loud, followed = told_of(events)
    check(not loud, "polls: nothing above low is said of it, nothing is beyond the baseline %s" % (loud or ""))
    points = set(re.findall(r"^ *(\w+): \{", "\n".join(everything.POLLED.values()), re.M))
    check(followed == points, "polls: points of all three protocols are followed %s" % (points ^ followed or ""))


def check_all(sensor, rules, program, folder, check):
    check_bytes(program, check)
    check_sensor(sensor, rules, program, folder, check)
