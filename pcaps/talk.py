#!/usr/bin/python3
"""talk.py - turns dialogues (*.talk) into captures, always the same bytes.

usage: pcaps/talk.py FILE.talk OUT.pcap     one
       pcaps/talk.py --all                  every pcaps/**/*.talk and every pcaps/**/make*.py
       pcaps/talk.py --check                are the committed captures what these make? (exit 1: no)

The language stands in pcaps/README.md.  A make*.py is run with an output folder as its argument and
this folder in its path, so that it can use Capture, ethernet(), ip(), tcp() and udp() below.
"""
import datetime
import ipaddress
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


# --- packets ------------------------------------------------------------------------------------

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def mac_of(address):
    """A locally administered MAC made of the last four bytes of an address."""
    return b"\x02\x00" + ipaddress.ip_address(address).packed[-4:]


def mac_from(text):
    mac = bytes.fromhex(text.replace(":", ""))
    if len(mac) != 6:
        raise ValueError("not an Ethernet address: %s" % text)
    return mac


def arp(operation, sender, sender_mac, target, target_mac):
    """operation: 1 request, 2 reply."""
    ends = [ipaddress.IPv4Address(a).packed for a in (sender, target)]
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + sender_mac + ends[0] + target_mac + ends[1]


def ethernet(src, dst, kind, payload, vlans=()):
    """src and dst are MACs; vlans are 802.1Q tags, outermost first."""
    tags = b"".join(struct.pack(">HH", 0x8100, v) for v in vlans)
    return dst + src + tags + struct.pack(">H", kind) + payload


def pseudo(src, dst, l4, length):
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(a) == 4:
        return a + b + struct.pack(">BBH", 0, l4, length)
    return a + b + struct.pack(">IHBB", length, 0, 0, l4)


def ip(src, dst, l4, payload, ident=0, ttl=64, fragment=0):
    """fragment: the flags and offset word of IPv4 (0x2000: more fragments)."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(a) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), l4, ttl) + a + b + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ident & 0xffff, fragment, ttl, l4, 0) + a + b
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ip_kind(address):
    return 0x0800 if ipaddress.ip_address(address).version == 4 else 0x86dd


def tcp(src, sport, dst, dport, seq, ack, flags, payload=b"", bad=False, window=8192):
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 0x50, flags, window, 0, 0)
    total = checksum(pseudo(src, dst, 6, len(head) + len(payload)) + head + payload) ^ (0x5555 if bad else 0)
    return head[:16] + struct.pack(">H", total) + head[18:] + payload


def udp(src, sport, dst, dport, payload, bad=False):
    head = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(src, dst, 17, len(head) + len(payload)) + head + payload) or 0xffff
    return head[:6] + struct.pack(">H", total ^ (0x5555 if bad else 0)) + payload


class Capture:
    """Frames with their times, and how a file holds them."""

    def __init__(self, start="2026-03-02T08:00:00", step_ns=5_000_000):
        moment = datetime.datetime.fromisoformat(start).replace(tzinfo=datetime.timezone.utc)
        self.now, self.step, self.frames = int(moment.timestamp()) * 10**9, step_ns, []

    def add(self, frame, snap=None):
        """Appends a frame at the present time, then moves the time on."""
        self.frames.append((self.now, frame if snap is None else frame[:snap], len(frame)))
        self.now += self.step

    def pcap(self, link=1, nano=False, snaplen=262144):
        out = [struct.pack("<IHHiIII", 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4, 0, 0, snaplen, link)]
        for when, data, wire in self.frames:
            out.append(struct.pack("<IIII", when // 10**9, when % 10**9 // (1 if nano else 1000), len(data), wire) + data)
        return b"".join(out)


# --- what a line can carry ----------------------------------------------------------------------

def crc_dnp3(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xa6bc if crc & 1 else crc >> 1
    return struct.pack("<H", crc ^ 0xffff)


def crc_modbus(data):
    crc = 0xffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xa001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def dnp3_link(control, source, destination, user=b""):
    head = struct.pack("<BBBBHH", 0x05, 0x64, 5 + len(user), control, destination, source)
    blocks = [user[n:n + 16] for n in range(0, len(user), 16)]
    return head + crc_dnp3(head) + b"".join(b + crc_dnp3(b) for b in blocks)


def hexes(text):
    """Hex digits with blanks, "text", and 00*20 for repetition."""
    out = b""
    for token in re.findall(r'"[^"]*"\S*|\S+', text):
        quoted, plain, times = re.fullmatch(r'(?:"([^"]*)"|([0-9a-fA-F]*))(?:\*(\d+))?', token).groups()
        piece = bytes.fromhex(plain) if quoted is None else quoted.encode("latin-1")
        out += piece * int(times or 1)
    return out


def wrap(kind, args, body, flow, side):
    """One message: the framing named by kind around the bytes of body."""
    args = [int(a, 0) for a in args]
    if kind == "mbap":                                  # transaction unit: function and data
        transaction, unit = args
        pdu = hexes(body)
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
    if kind == "rtu":                                   # unit: function and data
        frame = bytes(args) + hexes(body)
        return frame + crc_modbus(frame)
    if kind == "cotp":                                  # a whole TPDU
        tpdu = hexes(body)
        return struct.pack(">BBH", 3, 0, 4 + len(tpdu)) + tpdu
    if kind == "tpkt":                                  # COTP data, end of TSDU
        return wrap("cotp", (), "02f080" + hexes(body).hex(), flow, side)
    if kind == "s7":                                    # rosctr reference [error]: parameter / data
        rosctr, reference = args[:2]
        parameter, _, data = body.partition("/")
        parameter, data = hexes(parameter), hexes(data)
        head = struct.pack(">BBHHHH", 0x32, rosctr, 0, reference, len(parameter), len(data))
        if rosctr in (2, 3):
            head += struct.pack(">H", args[2] if len(args) > 2 else 0)
        return wrap("tpkt", (), (head + parameter + data).hex(), flow, side)
    if kind == "link":                                  # control source destination: DNP3 user data
        return dnp3_link(*args, hexes(body))
    if kind == "dnp3":                                  # source destination: application fragment
        app, out = hexes(body), b""
        control = 0xc4 if side == 0 else 0x44
        pieces = [app[n:n + 249] for n in range(0, len(app), 249)] or [b""]
        for n, piece in enumerate(pieces):
            transport = (0x40 if n == 0 else 0) | (0x80 if n == len(pieces) - 1 else 0) | flow.transport[side] & 63
            flow.transport[side] += 1
            out += dnp3_link(control, args[0], args[1], bytes([transport]) + piece)
        return out
    raise ValueError("unknown framing %r" % kind)


def message(text, flow, side):
    """The bytes of a line: pieces joined by +, each bare hex or `framing arguments: hex`."""
    out = b""
    for piece in re.split(r"\s\+\s", text):
        head, colon, body = piece.partition(":")
        if colon and not head.lstrip().startswith('"'):
            kind, *args = head.split()
            out += wrap(kind, args, body, flow, side)
        else:
            out += hexes(piece)
    return out


# --- dialogues ----------------------------------------------------------------------------------

class Flow:
    def __init__(self, words):
        self.l4 = words.pop(0)
        ends = [self.end(words.pop(0))]
        if words.pop(0) != ">":
            raise ValueError("want: tcp ADDRESS:PORT > ADDRESS:PORT")
        ends.append(self.end(words.pop(0)))
        self.ends, self.name, self.vlans, self.joined, self.only, self.ttl = ends, None, [], False, None, 64
        self.seq, self.last, self.transport = [1000, 5000], [None, None], [0, 0]
        self.macs = [mac_of(address) for address, _ in ends]
        while words:
            word = words.pop(0)
            if word == "as":
                self.name = words.pop(0)
            elif word == "vlan":
                while words and words[0].isdigit():
                    self.vlans.append(int(words.pop(0)))
            elif word == "joined":
                self.joined = True
            elif word == "only":
                self.only = {">": 0, "<": 1}[words.pop(0)]
            elif word == "ttl":
                self.ttl = int(words.pop(0))
            elif word == "seq":
                self.seq = [int(words.pop(0), 0), int(words.pop(0), 0)]
            elif word == "macs":
                self.macs = [mac_from(words.pop(0)), mac_from(words.pop(0))]
            else:
                raise ValueError("unknown word %r" % word)

    @staticmethod
    def end(text):
        address, _, port = text.rpartition(":")
        return str(ipaddress.ip_address(address.strip("[]"))), int(port)


class Talk:
    def __init__(self):
        self.cap, self.flow, self.flows, self.ident, self.late = Capture(), None, {}, 0, []

    def emit(self, flow, side, segment, snap=None, hold=False):
        if flow.only is not None and side != flow.only:
            self.cap.now += self.cap.step
            return
        (src, _), (dst, _) = flow.ends[side], flow.ends[1 - side]
        self.ident += 1
        packet = ip(src, dst, {"tcp": 6, "udp": 17}[flow.l4], segment, self.ident, flow.ttl)
        frame = ethernet(flow.macs[side], flow.macs[1 - side], ip_kind(src), packet, flow.vlans)
        if hold:
            self.late.append((frame, snap))
            return
        self.cap.add(frame, snap)
        while self.late:
            self.cap.add(*self.late.pop(0))

    def segment(self, flow, side, flags, payload=b"", seq=None, **how):
        (src, sport), (dst, dport) = flow.ends[side], flow.ends[1 - side]
        seq = flow.seq[side] if seq is None else seq
        ack = flow.seq[1 - side] if flags & ACK else 0
        bad = how.pop("bad", False)
        self.emit(flow, side, tcp(src, sport, dst, dport, seq, ack, flags, payload, bad), **how)

    def open(self, flow):
        if flow.l4 == "tcp" and not flow.joined:
            self.segment(flow, 0, SYN)
            flow.seq[0] += 1
            self.segment(flow, 1, SYN | ACK)
            flow.seq[1] += 1
            self.segment(flow, 0, ACK)

    def send(self, words, side, text):
        flow, data = self.flow, message(text, self.flow, side)
        how, cuts, lost, twice, back = {}, [], False, False, 0
        while words:
            word = words.pop(0)
            if word == "lost":
                lost = True
            elif word == "twice":
                twice = True
            elif word == "late":
                how["hold"] = True
            elif word == "badsum":
                how["bad"] = True
            elif word == "back":
                back = int(words.pop(0))
            elif word == "snap":
                how["snap"] = int(words.pop(0))
            elif word == "again":
                data, back = flow.last[side], len(flow.last[side])
            elif word == "cut":
                if words[0] == "each":
                    words.pop(0)
                    cuts = list(range(1, len(data)))
                while words and words[0].isdigit():
                    cuts.append(int(words.pop(0)))
            else:
                raise ValueError("unknown word %r" % word)
        flow.last[side] = data
        if flow.l4 == "udp":
            (src, sport), (dst, dport) = flow.ends[side], flow.ends[1 - side]
            bad = how.pop("bad", False)
            for _ in range(0 if lost else 2 if twice else 1):
                self.emit(flow, side, udp(src, sport, dst, dport, data, bad), **how)
            return
        flow.seq[side] -= back
        edges = [0] + sorted(cuts) + [len(data)]
        for start, end in zip(edges, edges[1:]):
            for _ in range(0 if lost else 2 if twice else 1):
                self.segment(flow, side, PSH | ACK, data[start:end], **how)
            flow.seq[side] += end - start

    def arp(self, words):
        """request A > B, reply A > B, announce A; each with: at MAC, from MAC (of the frame), vlan N."""
        kind, sender = words.pop(0), words.pop(0)
        target, mac, source, vlans = sender, mac_of(sender), None, []
        while words:
            word = words.pop(0)
            if word == ">":
                target = words.pop(0)
            elif word == "at":
                mac = mac_from(words.pop(0))
            elif word == "from":
                source = mac_from(words.pop(0))
            elif word == "vlan":
                vlans.append(int(words.pop(0)))
            else:
                raise ValueError("unknown word %r" % word)
        asked = bytes(6) if kind != "reply" else mac_of(target)
        to = mac_of(target) if kind == "reply" else b"\xff" * 6
        operation = {"request": 1, "reply": 2, "announce": 1}[kind]
        self.cap.add(ethernet(source or mac, to, 0x0806, arp(operation, sender, mac, target, asked), vlans))

    def line(self, text):
        words = text.split()
        if words[0] in ("tcp", "udp"):
            self.flow = Flow(words)
            self.flows[self.flow.name] = self.flow
            self.open(self.flow)
        elif words[0] == "flow":
            self.flow = self.flows[words[1]]
        elif words[0] == "start":
            self.cap.now = Capture(words[1]).now
        elif words[0] in ("wait", "step"):
            number, unit = re.fullmatch(r"(\d+)(us|ms|s|min|h)", words[1]).groups()
            span = int(number) * {"us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}[unit]
            if words[0] == "wait":
                self.cap.now += span
            else:
                self.cap.step = span
        elif words[0] == "close":
            for side in (0, 1):
                self.segment(self.flow, side, FIN | ACK)
                self.flow.seq[side] += 1
            self.segment(self.flow, 0, ACK)
        elif words[0] == "ack":
            self.segment(self.flow, {">": 0, "<": 1}[words[1]], ACK)
        elif words[0] == "reset":
            side = {">": 0, "<": 1}[words[1] if len(words) > 1 else "<"]
            self.segment(self.flow, side, RST | ACK, seq=(self.flow.seq[side] + int((words + [0, 0])[2] or 0)) % 2 ** 32)
        elif words[0] == "arp":
            self.arp(words[1:])
        elif words[0] == "raw":
            self.cap.add(hexes(" ".join(words[1:])))
        else:
            where = re.search(r"(?:^|\s)([<>])(?:\s|$)", text)
            if where is None or self.flow is None:
                raise ValueError("not understood")
            self.send(text[:where.start()].split(), "><".index(where.group(1)), text[where.end():])


def build(text, name="talk"):
    """The capture of a dialogue, as the bytes of a pcap file."""
    talk = Talk()
    for n, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not line:
            continue
        try:
            talk.line(line)
        except (ValueError, KeyError, IndexError, AttributeError, TypeError) as e:
            raise SystemExit("%s:%d: %s: %s" % (name, n, line, e))
    for held in talk.late:
        talk.cap.add(*held)
    return talk.cap.pcap()


# --- all of pcaps/ ------------------------------------------------------------------------------

def sources():
    for base, folders, names in os.walk(HERE):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            if name.endswith(".talk") or name.startswith("make") and name.endswith(".py"):
                yield path


def make(source, folder):
    """Makes what a source describes into a folder."""
    if source.endswith(".talk"):
        with open(source, encoding="utf-8") as f:
            made = build(f.read(), os.path.relpath(source))
        with open(os.path.join(folder, os.path.basename(source)[:-5] + ".pcap"), "wb") as f:
            f.write(made)
        return
    env = dict(os.environ, PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
    subprocess.run([sys.executable, source, folder], check=True, env=env)


def check():
    stale = []
    for source in sources():
        with tempfile.TemporaryDirectory() as folder:
            make(source, folder)
            for name in sorted(os.listdir(folder)):
                committed = os.path.join(os.path.dirname(source), name)
                fresh = open(os.path.join(folder, name), "rb").read()
                if not os.path.exists(committed) or open(committed, "rb").read() != fresh:
                    stale.append("%s: not what %s makes (make pcaps)" % (os.path.relpath(committed), os.path.basename(source)))
    return stale


def main():
    if sys.argv[1:] == ["--all"]:
        for source in sources():
            make(source, os.path.dirname(source))
    elif sys.argv[1:] == ["--check"]:
        stale = check()
        print("\n".join(stale) or "captures are fresh")
        sys.exit(bool(stale))
    elif len(sys.argv) == 3:
        with open(sys.argv[1], encoding="utf-8") as f:
            made = build(f.read(), sys.argv[1])
        with open(sys.argv[2], "wb") as f:
            f.write(made)
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main()
