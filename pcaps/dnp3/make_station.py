#!/usr/bin/python3
"""make_station.py - a small DNP3 master and outstation that talk to each other; written from the standard alone.

usage: make_station.py FOLDER

polling.pcap  an hour of ordinary operation of one outstation over TCP: start-up with the null unsolicited response,
              polls by class, an integrity poll in three application fragments, unsolicited events, time synchronisation
gateway.pcap  three outstations behind one TCP connection, whose segmented responses alternate on the line
udp.pcap      an outstation over UDP, several frames to a datagram
"""
import random
import struct
import sys

import talk

FIR, FIN, CON, UNS = 0x80, 0x40, 0x20, 0x10
RESTART, NEED_TIME, CLASS1 = 0x80, 0x10, 0x02
READ, WRITE, ENABLE, DISABLE, DELAY, RESPONSE, UNSOLICITED = 1, 2, 20, 21, 23, 129, 130
EVENTS = bytes.fromhex("3c02063c03063c0406")
EVERYTHING = EVENTS + bytes.fromhex("3c0106")


def crc(octets):
    """x16+x13+x12+x11+x10+x8+x6+x5+x2+1 over bits sent low first, inverted."""
    rest = 0
    for octet in octets:
        for bit in range(8):
            feed = (rest ^ octet >> bit) & 1
            rest = rest >> 1 ^ (0xa6bc if feed else 0)
    return struct.pack("<H", rest ^ 0xffff)


def link(control, source, destination, data=b""):
    head = b"\x05\x64" + struct.pack("<BBHH", len(data) + 5, control, destination, source)
    frame = head + crc(head)
    while data:
        frame, data = frame + data[:16] + crc(data[:16]), data[16:]
    return frame


class Station:
    """What master and outstation share: addresses, sequence numbers, the cutting into segments."""

    def __init__(self, address, control):
        self.address, self.control, self.segment = address, control, 0

    def frames(self, to, fragment):
        out, first = [], 0x40
        while fragment or first:
            piece, fragment = fragment[:249], fragment[249:]
            last = 0 if fragment else 0x80
            out.append(link(self.control, self.address, to, bytes([first | last | self.segment]) + piece))
            self.segment, first = (self.segment + 1) % 64, 0
        return out


class Outstation(Station):
    """Forty binary inputs, sixty analogs, eight counters; events of class 1."""

    def __init__(self, address, analogs=60):
        super().__init__(address, 0x44)
        self.iin1, self.unsolicited, self.events = RESTART | NEED_TIME, 0, []
        self.binary = [n % 3 == 0 for n in range(40)]
        self.analog = [100 * n - 2000 for n in range(analogs)]
        self.counter = [1000 + n for n in range(8)]

    def static(self):
        bits = bytearray((len(self.binary) + 7) // 8)
        for n, on in enumerate(self.binary):
            bits[n // 8] |= on << n % 8
        yield bytes([1, 1, 0, 0, len(self.binary) - 1]) + bytes(bits)
        yield (struct.pack("<BBBHH", 30, 1, 1, 0, len(self.analog) - 1)
               + b"".join(struct.pack("<Bi", 1, v) for v in self.analog))
        yield bytes([20, 1, 0, 0, len(self.counter) - 1]) + b"".join(struct.pack("<BI", 1, v) for v in self.counter)

    def change(self, index, value, when):
        self.analog[index] = value
        self.events.append(struct.pack("<HBi", index, 1, value) + when.to_bytes(6, "little"))

    def event_object(self):
        objects = struct.pack("<BBBH", 32, 3, 0x28, len(self.events)) + b"".join(self.events) if self.events else b""
        self.events = []
        return objects

    def answer(self, control, function, objects):
        """The fragments of the response."""
        if function == WRITE and objects.startswith(b"\x50\x01"):
            self.iin1 &= ~RESTART
        if function == WRITE and objects.startswith(b"\x32\x01"):
            self.iin1 &= ~NEED_TIME
        bodies = [b""]
        if function == READ:
            bodies = [self.event_object()] + (list(self.static()) if objects.endswith(b"\x3c\x01\x06") else [])
        if function == DELAY:
            bodies = [bytes.fromhex("34020701") + struct.pack("<H", 3)]
        bodies = [b for b in bodies if b] or [b""]
        sequence, out = control & 15, []
        for n, body in enumerate(bodies):
            bits = (FIR if n == 0 else 0) | (FIN if n == len(bodies) - 1 else 0)
            bits |= CON if len(bodies) > 1 or body.startswith(b"\x20") else 0
            out.append(bytes([bits | (sequence + n) % 16, RESPONSE, self.iin1, 0]) + body)
        return out

    def report(self):
        """An unsolicited response, sent without being asked."""
        head = bytes([FIR | FIN | CON | UNS | self.unsolicited, UNSOLICITED, self.iin1, 0])
        self.unsolicited = (self.unsolicited + 1) % 16
        return head + self.event_object()


class Master(Station):
    def __init__(self, address):
        super().__init__(address, 0xc4)
        self.sequence = 0

    def request(self, function, objects=b""):
        fragment = bytes([FIR | FIN | self.sequence, function]) + objects
        self.sequence = (self.sequence + 1) % 16
        return fragment

    @staticmethod
    def confirm(fragment):
        return bytes([FIR | FIN | fragment[0] & (UNS | 15), 0])


class Line:
    """A TCP connection, or datagrams, from the master to the outstation's address."""

    def __init__(self, tcp=True):
        self.cap, self.tcp, self.ident = talk.Capture(step_ns=4_000_000), tcp, 1
        self.ends = [("10.9.1.5", 41000 if tcp else 20000), ("10.9.1.10", 20000)]
        self.seq = [1000, 9000]
        if tcp:
            self.packet(0, talk.SYN)
            self.seq[0] += 1
            self.packet(1, talk.SYN | talk.ACK)
            self.seq[1] += 1
            self.packet(0, talk.ACK)

    def packet(self, side, flags, data=b""):
        (src, sport), (dst, dport) = self.ends[side], self.ends[1 - side]
        if self.tcp:
            ack = self.seq[1 - side] if flags & talk.ACK else 0
            body = talk.tcp(src, sport, dst, dport, self.seq[side], ack, flags, data)
        else:
            body = talk.udp(src, sport, dst, dport, data)
        packet = talk.ip(src, dst, 6 if self.tcp else 17, body, self.ident)
        self.ident += 1
        self.cap.add(talk.ethernet(talk.mac_of(src), talk.mac_of(dst), 0x0800, packet))
        self.seq[side] += len(data)

    def send(self, side, data):
        self.packet(side, talk.PSH | talk.ACK, data)

    def wait(self, seconds):
        self.cap.now += int(seconds * 10**9)

    def milliseconds(self):
        return self.cap.now // 10**6


def exchange(line, master, outstation, function, objects=b""):
    request = master.request(function, objects)
    line.send(0, b"".join(master.frames(outstation.address, request)))
    for fragment in outstation.answer(request[0], function, objects):
        frames = outstation.frames(master.address, fragment)
        if line.tcp:
            for frame in frames:
                line.send(1, frame)
        else:
            line.send(1, b"".join(frames))
        if fragment[0] & CON:
            line.send(0, master.frames(outstation.address, master.confirm(fragment))[0])


def unasked(line, master, outstation):
    fragment = outstation.report()
    line.send(1, b"".join(outstation.frames(master.address, fragment)))
    line.send(0, master.frames(outstation.address, master.confirm(fragment))[0])


def synchronise(line, master, outstation):
    exchange(line, master, outstation, DELAY)
    exchange(line, master, outstation, WRITE, b"\x32\x01\x07\x01" + line.milliseconds().to_bytes(6, "little"))


def start(line, master, outstation):
    exchange(line, master, outstation, DISABLE, EVENTS)
    exchange(line, master, outstation, WRITE, bytes.fromhex("50010007 0700"))
    exchange(line, master, outstation, READ, EVERYTHING)
    exchange(line, master, outstation, ENABLE, EVENTS)


def polling():
    line, master, outstation, dice = Line(), Master(1), Outstation(10), random.Random(1815)
    unasked(line, master, outstation)                   # the null response: "I have restarted"
    start(line, master, outstation)
    synchronise(line, master, outstation)
    for minute in range(60):
        line.wait(60)
        if minute % 2:
            for _ in range(dice.randrange(1, 5)):
                outstation.change(dice.randrange(60), dice.randrange(-2000, 4000), line.milliseconds())
        if minute % 4 == 1:
            unasked(line, master, outstation)
        exchange(line, master, outstation, READ, EVERYTHING if minute == 30 else EVENTS)
        if minute % 15 == 14:
            line.send(0, link(0xc9, 1, 10))
            line.send(1, link(0x0b, 10, 1))
    return line.cap.pcap()


def gateway():
    line, master = Line(), Master(1)
    stations = [Outstation(address, 120) for address in (21, 22, 23)]
    for _ in range(3):
        waiting = []
        for station in stations:
            request = master.request(READ, b"\x1e\x01\x01\x00\x00\x77\x00")
            line.send(0, master.frames(station.address, request)[0])
            objects = list(station.static())[1]
            waiting.append(station.frames(1, bytes([request[0], RESPONSE, 0, 0]) + objects))
        while any(waiting):
            for frames in waiting:
                if frames:
                    line.send(1, frames.pop(0))
        line.wait(10)
    return line.cap.pcap()


def datagrams():
    line, master, outstation = Line(tcp=False), Master(1), Outstation(10)
    start(line, master, outstation)
    for _ in range(5):
        line.wait(10)
        exchange(line, master, outstation, READ, EVENTS)
    return line.cap.pcap()


def main():
    for name, made in (("polling", polling), ("gateway", gateway), ("udp", datagrams)):
        with open("%s/%s.pcap" % (sys.argv[1], name), "wb") as f:
            f.write(made())


if __name__ == "__main__":
    main()
