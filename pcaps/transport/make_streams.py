#!/usr/bin/python3
"""make_streams.py FOLDER - what a mirror port does to connections: one direction only, copies, segments
again, out of order, lost, contradicting, on other ports, for hours, by the hundred.

The messages are commands (a Modbus write, an S7 PLC stop, a DNP3 direct operate), for those are what must not be
missed. tests/cases/transport/streams.yaml says what must come of each capture; tshark was the judge
where it reads them.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from talk import ACK, FIN, PSH, RST, SYN, Capture, dnp3_link, ethernet, ip, mac_of, message, tcp, udp  # noqa: E402

MASTER, DEVICE = "10.9.0.5", "10.9.0.10"
STOP = message("s7 1 7: 29 0000000000 09 505f50524f4752414d", None, 0)
STOPPED = message("s7 3 7: 29", None, 1)


def write(n, value=None):
    """Modbus: register 100+n becomes value (n)."""
    return message("mbap %d 17: 06 %04x %04x" % (n, 100 + n, n if value is None else value), None, 0)


def operate(n=0):
    """DNP3: direct operate, CROB latch on, point n; application sequence n."""
    app = "c%x 05 0c 01 28 0100 %02x00 03 01 64000000 64000000 00" % (n & 15, n)
    return dnp3_link(0xc4, 10, 1, bytes([0xc0 | n & 63]) + bytes.fromhex(app))


RESET_LINK = dnp3_link(0xc0, 10, 1)


class Conn:
    """Two ends and what each has said; frames go into one capture."""

    def __init__(self, capture, dport=502, sport=41000, first=(1000, 5000), master=MASTER, device=DEVICE, handshake=True):
        self.capture, self.ends, self.ports = capture, (master, device), (sport, dport)
        self.next, self.ident = [first[0] + 1, first[1] + 1], 0
        if handshake:
            self.put(0, SYN, seq=first[0], ack=0)
            self.put(1, SYN | ACK, seq=first[1])
            self.put(0, ACK)

    def frame(self, side, flags, data=b"", seq=None, ack=None, vlans=(), hop=0, ident=None):
        """One Ethernet frame; hop: routers it has passed."""
        src, dst = self.ends[side], self.ends[not side]
        seq = self.next[side] if seq is None else seq
        ack = self.next[not side] if ack is None else ack
        l4 = tcp(src, self.ports[side], dst, self.ports[not side], seq, ack, flags, data)
        self.ident += 1
        packet = ip(src, dst, 6, l4, ident=self.ident if ident is None else ident, ttl=64 - hop)
        macs = [bytes([2, hop, 0, 0, 0, 1 + (i == side)]) for i in (0, 1)]
        return ethernet(macs[0], macs[1], 0x0800, packet, vlans)

    def put(self, side, flags, data=b"", **how):
        self.capture.add(self.frame(side, flags, data, **how))

    def say(self, side, data, cut=0, seen=True):
        """The next bytes of a side, in segments of at most cut bytes; not seen: lost before the mirror."""
        for at in range(0, len(data), cut or len(data)):
            part = data[at:at + (cut or len(data))]
            if seen:
                self.put(side, PSH | ACK, part)
            self.next[side] += len(part)

    def close(self):
        for side in (0, 1):
            self.put(side, FIN | ACK)
            self.next[side] += 1
        self.put(0, ACK)


def dialogue(conn, numbers, sides=(0, 1)):
    """Modbus writes and their replies."""
    for n in numbers:
        for side in (0, 1):
            conn.say(side, write(n), seen=side in sides)


def one_way(side):
    c = Capture()
    dialogue(Conn(c, handshake=False), range(5), sides=(side,))
    return c


def no_handshake():
    c = Capture()
    for port, request in ((502, write(1)), (102, STOP), (20000, operate(1))):
        conn = Conn(c, port, handshake=False)
        conn.say(0, request)
    # and one that begins inside a message: the tail of a write, then two whole ones
    conn = Conn(c, 502, 41001, handshake=False)
    conn.say(0, write(2)[5:])
    conn.say(0, write(3))
    conn.say(0, write(4))
    return c


def copies():
    """Two mirrored ports, a router between them."""
    c = Capture(step_ns=100_000)
    conn = Conn(c, handshake=False)
    for n in range(4):
        for side in (0, 1):
            for hop in (0, 1):
                conn.put(side, PSH | ACK, write(n), ident=10 * n + side, hop=hop, vlans=(7,) if hop else ())
            conn.next[side] += len(write(n))
    return c


def copies_udp():
    """Three polls alike are three; each is seen twice."""
    c = Capture(step_ns=200_000)
    for n in range(3):
        for hop in (0, 1):
            packet = ip(MASTER, DEVICE, 17, udp(MASTER, 41000, DEVICE, 502, write(1)), ident=0, ttl=64 - hop)
            c.add(ethernet(mac_of(MASTER), mac_of(DEVICE), 0x0800, packet, (9,) if hop else ()))
    return c


def again():
    """Retransmissions, the same bytes cut in other places."""
    c = Capture()
    conn = Conn(c)
    stream, start = b"".join(write(n) for n in range(10)), conn.next[0]
    for at, end in ((0, 30), (0, 30), (18, 50), (50, 70), (24, 90), (70, 120), (0, 120), (119, 120)):
        conn.put(0, PSH | ACK, stream[at:end], seq=start + at)
    conn.next[0] = start + 120
    conn.say(0, write(10))
    return c


def reordered():
    c = Capture(step_ns=1_000_000)
    conn = Conn(c)
    stream, start = b"".join(write(n) for n in range(10)), conn.next[0]
    cuts = [0, 7, 20, 33, 47, 60, 71, 85, 99, 110, 120]
    for i in (3, 1, 0, 2, 6, 5, 4, 9, 8, 7):
        conn.put(0, PSH | ACK, stream[cuts[i]:cuts[i + 1]], seq=start + cuts[i])
    return c


def reply_first():
    """Two mirrored ports of different delay: each reply comes before its request."""
    c = Capture(step_ns=300_000)
    conn = Conn(c)
    for n in range(3):
        request = conn.frame(0, PSH | ACK, write(n))
        conn.next[0] += 12
        reply = conn.frame(1, PSH | ACK, write(n))
        conn.next[1] += 12
        c.add(reply)
        c.add(request)
        c.now += 20_000_000
    return c


def bytewise():
    c = Capture(step_ns=500_000)
    for port, request, reply in ((502, write(9), write(9)), (102, STOP, STOPPED), (20000, operate(3), b"")):
        conn = Conn(c, port)
        conn.say(0, request, cut=1)
        if reply:
            conn.say(1, reply, cut=1)
    return c


def pipelined():
    """Many messages a segment; a link reset glued before an operate."""
    c = Capture()
    Conn(c).say(0, b"".join(write(n) for n in range(60)))
    Conn(c, 102).say(0, STOP * 5)
    Conn(c, 20000).say(0, RESET_LINK + operate(1) + RESET_LINK + operate(2))
    return c


def lost(port, messages, cut):
    """Segments of `cut` bytes; the third is lost, the receiver has it."""
    c = Capture()
    conn = Conn(c, port)
    stream = b"".join(messages)
    for i, at in enumerate(range(0, len(stream), cut)):
        conn.say(0, stream[at:at + cut], seen=i != 2)
    conn.put(1, ACK)
    c.now += 2_000_000_000
    conn.put(1, ACK)
    return c


def lost_first_piece():
    """Nobody acknowledges, as in a one-way capture: waited for in vain, then read on."""
    c = Capture()
    conn = Conn(c)
    conn.say(0, write(1))
    conn.say(0, write(2), seen=False)
    conn.say(0, write(3))
    c.now += 5_000_000_000
    conn.say(0, write(4))
    return c


def late():
    """The head of a PLC stop, its tail, and much later what lies between."""
    c = Capture()
    conn = Conn(c, 102)
    conn.say(0, message("s7 1 6: f0 00 0001 0001 01e0", None, 0))
    start = conn.next[0]
    conn.put(0, PSH | ACK, STOP[:12], seq=start)
    conn.put(0, PSH | ACK, STOP[20:], seq=start + 20)
    c.now += 3_000_000_000
    conn.put(0, PSH | ACK, STOP[12:20], seq=start + 12)
    conn.next[0] = start + len(STOP)
    conn.say(1, STOPPED)
    return c


def conflict():
    """A read, then the same bytes as a write; and the other way round where it waits."""
    c = Capture()
    conn = Conn(c)
    read, start = message("mbap 1 17: 03 0064 0001", None, 0), conn.next[0]
    conn.put(0, PSH | ACK, read, seq=start)
    conn.put(0, PSH | ACK, write(1, 666), seq=start)
    conn.next[0] += 12
    conn.say(1, message("mbap 1 17: 03 02 0007", None, 1))
    conn = Conn(c, 502, 41001)
    start = conn.next[0]
    conn.put(0, PSH | ACK, read[6:], seq=start + 6)
    conn.put(0, PSH | ACK, write(1, 667)[6:], seq=start + 6)
    conn.put(0, PSH | ACK, read[:6], seq=start)
    return c


def other_port():
    c = Capture()
    for i, (port, request, reply) in enumerate(((10502, write(1), write(1)), (11102, STOP, STOPPED), (30000, operate(1), b""))):
        conn = Conn(c, port, 41000 + i)
        if port == 11102:
            conn.say(0, message("cotp: 11 e0 0000 0001 00 c0010a c1020100 c2020102", None, 0))
            conn.say(1, message("cotp: 11 d0 0001 0002 00 c0010a c1020100 c2020102", None, 1))
        for _ in range(3):
            conn.say(0, request)
            if reply:
                conn.say(1, reply)
    return c


def not_modbus():
    c = Capture()
    conn = Conn(c)
    for n in range(6):
        conn.say(0, b"GET /%d HTTP/1.1\r\nHost: plant\r\n\r\n" % n)
        conn.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    conn.close()
    return c


def idle():
    """A session silent for hours but for keep-alives, one of them with garbage in it."""
    c = Capture()
    conn = Conn(c)
    dialogue(conn, [1])
    for i in range(4):
        c.now += 2 * 3600 * 10**9
        conn.put(0, ACK, b"\0" if i % 2 else b"\x79", seq=conn.next[0] - 1)
        conn.put(1, ACK)
    c.now += 10 * 3600 * 10**9
    dialogue(conn, [2])
    return c


def flood():
    """Half-open connections while a session goes on."""
    c = Capture(step_ns=100_000)
    conn = Conn(c)
    dialogue(conn, [1])
    for i in range(1500):
        src = "10.66.%d.%d" % (i // 250, 1 + i % 250)
        half = Conn(c, 502, 50000, (i, 0), master=src, handshake=False)
        half.put(0, SYN, seq=i, ack=0)
    dialogue(conn, [2])
    return c


def wrap():
    """The sequence numbers of both ends pass zero, out of order too."""
    c = Capture()
    conn = Conn(c, first=(0xffffffe0, 0xfffffff0))
    dialogue(conn, range(6))
    start = conn.next[0]
    conn.put(0, PSH | ACK, write(7), seq=start + 12)
    conn.put(0, PSH | ACK, write(6), seq=start)
    return c


def forged():
    """A reset and a far segment that the device never took; the session goes on."""
    c = Capture()
    conn = Conn(c)
    dialogue(conn, [1])
    conn.put(1, RST, seq=conn.next[1] + 77)
    conn.put(0, PSH | ACK, write(99), seq=conn.next[0] + 100_000)
    c.now += 2_000_000_000
    dialogue(conn, range(2, 8))
    return c


def port_again():
    """The same ports in a new connection, the end of the old one not seen."""
    c = Capture()
    dialogue(Conn(c), [1])
    dialogue(Conn(c, first=(900000, 700000)), [2])
    return c


def forged_syn():
    """A SYN inside the live connection, answered by a mere ACK; the session goes on."""
    c = Capture()
    conn = Conn(c)
    dialogue(conn, [1])
    conn.put(0, SYN, seq=conn.next[0] + 300, ack=0)
    conn.put(1, ACK)
    dialogue(conn, range(2, 6))
    return c


def inside():
    """Joined inside a message; every message in two segments, none whole in one."""
    c = Capture()
    for port, messages in ((502, [write(n) for n in range(6)]), (102, [STOP] * 6), (20000, [operate(n) for n in range(6)])):
        stream = b"".join(messages)[9:]
        Conn(c, port, handshake=False).say(0, stream, cut=len(messages[0]) * 2 // 3)
    return c


def hidden():
    """A write or a stop behind bytes that a device throws away, in the first segment of a connection."""
    c = Capture()
    other = bytearray(write(1))
    other[3] = 7                                  # not the protocol number of Modbus
    Conn(c).say(0, bytes(other) + write(2))
    Conn(c, sport=41001).say(0, bytes.fromhex("deadbe") + write(3) + write(4))
    version = bytearray(STOP)
    version[0] = 4                                # not a TPKT
    Conn(c, 102).say(0, bytes(version) + STOP)
    reserved = bytearray(STOP)
    reserved[1] = 0xff
    Conn(c, 102, 41001, handshake=False).say(0, bytes(reserved))
    Conn(c, 20000).say(0, b"DNP3 banner" + operate(5))
    return c


def everything():
    return {
        "forged_syn": forged_syn(),
        "one_way_request": one_way(0), "one_way_reply": one_way(1), "no_handshake": no_handshake(),
        "copies": copies(), "copies_udp": copies_udp(), "again": again(), "reordered": reordered(),
        "reply_first": reply_first(), "bytewise": bytewise(), "pipelined": pipelined(),
        "lost_modbus": lost(502, [write(n) for n in range(10)], 18),
        "lost_s7": lost(102, [STOP] * 6, 45), "lost_dnp3": lost(20000, [operate(n) for n in range(6)], 50),
        "lost_one_way": lost_first_piece(), "late": late(), "conflict": conflict(), "other_port": other_port(),
        "not_modbus": not_modbus(), "idle": idle(), "flood": flood(), "wrap": wrap(), "forged": forged(),
        "port_again": port_again(), "hidden": hidden(), "inside": inside(),
    }


def main():
    for name, capture in everything().items():
        with open(os.path.join(sys.argv[1], "stream_" + name + ".pcap"), "wb") as f:
            f.write(capture.pcap())


if __name__ == "__main__":
    main()
