#!/usr/bin/python3
"""make_scan.py FOLDER - who contacts whom: a scan of one probe a minute, worms that go from host to host, tunnels in ping, and
what looks like them and is none: an HMI that starts, a switch that restarts, a gateway, half a mirror.

tests/cases/scan/ says what must come of each.
"""
import ipaddress
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from talk import ACK, FIN, PSH, RST, SYN, Capture, checksum, ethernet, ip, mac_of, message, tcp, udp  # noqa: E402

MS, S = 10**6, 10**9
READ = message("mbap 1 1: 03 0000 000a", None, 0)
VALUES = message("mbap 1 1: 03 14 " + "0001" * 10, None, 1)
CONNECT = message("cotp: 11 e0 0000 0001 00 c1 02 0100 c2 02 0102 c0 01 0a", None, 0)
CONFIRM = message("cotp: 11 d0 0001 0003 00 c0 01 0a c1 02 0100 c2 02 0102", None, 1)
SETUP = message("s7 1 1: f0 00 0001 0001 01e0", None, 0)
AGREED = message("s7 3 1 0: f0 00 0001 0001 00f0", None, 1)
START = message("s7 1 3: 28 000000000000fd 0000 09 505f50524f4752414d", None, 0)
STARTED = message("s7 3 3 0: 28", None, 1)
EXPLOIT = b"\0\0\0\x50\xffSMB\x72\0\0\0\0\x18\x53\xc0" + b"\0" * 14 + b"toy worm, generation after generation, no shell in here"


class Net:
    """One capture, and conversations in it."""

    def __init__(self, seen=(True, True), step=MS):
        self.capture, self.port, self.seen, self.ident = Capture(step_ns=step), 40000, seen, 0

    def put(self, src, dst, l4, segment, side=0):
        self.ident += 1
        if self.seen[side]:
            self.capture.add(ethernet(mac_of(src), mac_of(dst), 0x0800, ip(src, dst, l4, segment, self.ident)))
        else:
            self.capture.now += self.capture.step

    def talk(self, src, dst, dport, *said, alive=True, refused=False):
        """A connection in which both say something in turn; dead: nobody answers, refused: a reset does."""
        self.port += 1
        ports, seq, ends = (self.port, dport), [1000, 5000], (src, dst)

        def send(side, flags, data=b""):
            self.put(ends[side], ends[1 - side], 6, tcp(ends[side], ports[side], ends[1 - side], ports[1 - side], seq[side],
                                                        seq[1 - side] if flags & ACK else 0, flags, data), side)
            seq[side] += len(data) + (1 if flags & (SYN | FIN) else 0)
        send(0, SYN)
        if not alive:
            return
        if refused:
            send(1, RST | ACK)
            return
        send(1, SYN | ACK)
        send(0, ACK)
        for i, data in enumerate(said):
            send(i & 1, PSH | ACK, data)
        for side in (0, 1):
            send(side, FIN | ACK)
        send(0, ACK)

    def ask(self, src, sport, dst, dport, question, answer=None):
        self.put(src, dst, 17, udp(src, sport, dst, dport, question))
        if answer is not None:
            self.put(dst, src, 17, udp(dst, dport, src, sport, answer), 1)

    def ping(self, src, dst, seq, asked, returned):
        for kind, a, b, data in ((8, src, dst, asked), (0, dst, src, returned)):
            if data is not None:
                head = struct.pack(">BBHHH", kind, 0, 0, 77, seq)
                self.put(a, b, 1, head[:2] + struct.pack(">H", checksum(head + data)) + head[4:] + data, kind == 0)

    def wait(self, ns):
        self.capture.now += ns


def hmi_start():
    """120 controllers are polled for the first time within seconds; a cabinet of six is switched off."""
    net = Net()
    for i in range(1, 121):
        net.talk("10.9.3.250", "10.9.3.%d" % i, 502, READ, VALUES, alive=not 80 <= i < 86)
    net.wait(10 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def switch_restarts():
    """Twenty controllers are polled, then the switch before them restarts: for a minute nobody answers."""
    net = Net()
    for rest in range(6):
        for i in range(1, 21):
            net.talk("10.9.3.250", "10.9.3.%d" % i, 502, READ, VALUES, alive=rest in (0, 1, 5))
        net.wait(20 * S)
    return net


def half_mirror():
    """Only what the HMI sends arrives. Of eighty controllers twenty do not answer, which nobody can tell."""
    net = Net(seen=(True, False))
    for i in range(1, 81):
        net.talk("10.9.3.250", "10.9.3.%d" % i, 502, READ, VALUES, alive=i % 4 != 0)
    net.wait(10 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def probe_a_minute():
    """One address a minute is tried, and most are dark; beside it a controller is polled."""
    net = Net()
    for i in range(20, 36):
        net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
        net.talk("10.9.3.66", "10.9.3.%d" % i, 102, alive=i == 25, refused=i == 25)
        net.wait(60 * S)
    return net


def port_a_minute():
    """One port of a controller a minute: refused."""
    net = Net()
    for port in range(79, 99):
        net.talk("10.9.3.66", "10.9.3.1", port, refused=True)
        net.wait(60 * S)
    return net


def known_manager():
    """A network manager that is on the list looks for devices: twenty addresses, all dark."""
    net = Net()
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    for i in range(100, 120):
        net.talk("10.9.3.77", "10.9.3.%d" % i, 22, alive=False)
    net.wait(5 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def knocks():
    """Twelve controllers, all there, are connected to and left without a word; another does so too, and comes back to poll."""
    net = Net()
    for i in range(1, 13):
        net.talk("10.9.3.66", "10.9.3.%d" % i, 502)
        net.talk("10.9.3.250", "10.9.3.%d" % i, 502)
        net.talk("10.9.3.250", "10.9.3.%d" % i, 502, READ, VALUES)
    net.wait(15 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    net.wait(S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def peer_to_peer():
    """Peers that have left, each on a port of its own."""
    net, dice = Net(), random.Random(1)
    for i in range(40):
        net.talk("10.9.3.31", "10.77.%d.%d" % (dice.randrange(256), dice.randrange(1, 255)), dice.randrange(10000, 60000), b"hello", b"hi",
                 alive=i % 4 == 0)
    net.wait(5 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def worm():
    """A laptop infects one of those it tries, that one another, that one a third: each goes on as soon as it was reached."""
    net = Net(step=10 * MS)
    alive = {11, 12, 13, 15, 17, 18, 21, 22, 23, 25, 27, 28, 29}

    def spread(host, first):
        for i in range(first, first + 8):
            if i == host:
                continue
            net.talk("10.9.4.%d" % host, "10.9.4.%d" % i, 445, EXPLOIT, b"\0\0\0\4done", alive=i in alive or i % 2 == 0, refused=i not in alive)
        net.wait(10 * S)
    spread(99, 10)
    spread(12, 14)
    spread(17, 20)
    spread(23, 26)
    return net


def plc_worm():
    """A laptop loads a program into a controller, which then is a client of the others: all answer, each gets what it got."""
    net = Net(step=10 * MS)

    def load(src, dst):
        net.talk(src, dst, 102, CONNECT, CONFIRM, SETUP, AGREED, START, STARTED)
        net.wait(2 * S)
    load("10.9.5.50", "10.9.5.1")
    for i in range(2, 7):
        load("10.9.5.1", "10.9.5.%d" % i)
    for i in range(7, 11):
        load("10.9.5.3", "10.9.5.%d" % i)
    net.wait(5 * S)
    return net


def gateway():
    """A gateway polls six controllers, as it did before; then the HMI asks it, and it goes on."""
    net = Net()
    for rest in range(4):
        for i in range(1, 7):
            net.talk("10.9.3.200", "10.9.3.%d" % i, 502, READ, VALUES)
        net.talk("10.9.3.250", "10.9.3.200", 502, READ, VALUES)
        net.wait(5 * S)
    return net


def resolver():
    """A name server is asked and asks others, as it is there for."""
    net = Net()
    for i in range(12):
        name = struct.pack(">HHHHHH", 1000 + i * 7, 0x100, 1, 0, 0, 0) + b"\4host\3abc\2cn\0\0\1\0\1"
        net.ask("10.9.3.%d" % (60 + i), 50000 + i, "10.9.3.53", 53, name, name)
        net.ask("10.9.3.53", 51000 + i, "192.0.2.%d" % (1 + i), 53, struct.pack(">H", 7 * i) + name[2:], name)
    net.wait(5 * S)
    return net


def call_home():
    """Every minute or so, twenty times, an address of the Internet is asked for orders; one beat is missed. A person reads pages."""
    net, dice = Net(), random.Random(4)
    for i in range(20):
        if i != 9:
            net.talk("10.9.3.31", "25.0.0.7", 443, b"\x16\x03\x01\0\x05hello", b"\x15\x03\x01\0\2\2\x28")
        net.wait(dice.randrange(54, 66) * S // 2)
        net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
        net.wait(dice.randrange(54, 66) * S // 2)
    return net


def person():
    """The same number of visits, at a person's pace; and a clock that is asked for the time every minute."""
    net, dice = Net(), random.Random(5)
    for i in range(20):
        net.talk("10.9.3.31", "25.0.0.7", 443, b"\x16\x03\x01\0\x05hello", b"\x15\x03\x01\0\2\2\x28")
        net.wait(int(dice.expovariate(1 / 60) * S) + 11 * S)
    for i in range(20):
        net.ask("10.9.3.31", 40000 + i, "25.0.0.8", 123, b"\x23" + bytes(47), b"\x24" + bytes(47))
        net.wait(60 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def ping_tunnel():
    """A shell in ping: requests ask for work, replies hold commands."""
    net, dice = Net(step=50 * MS), random.Random(2)
    for i in range(24):
        net.ping("10.9.3.31", "198.51.100.7", i, dice.randbytes(96), dice.randbytes(96 if i % 2 else 64))
        net.wait(S)
    return net


def ping_upload():
    """What is asked is returned, but every request holds another piece of a file."""
    net, dice = Net(step=50 * MS), random.Random(3)
    for i in range(24):
        piece = dice.randbytes(400)
        net.ping("10.9.3.31", "198.51.100.7", i, piece, piece)
    return net


def ping_ordinary():
    """Two programs ping: one with the time before its pattern, one for the largest packet that goes through; some get no answer."""
    net = Net(step=50 * MS)
    for i in range(24):
        data = struct.pack("<QQ", 1700000000 + i, i * 977) + bytes(range(16, 56))
        net.ping("10.9.3.250", "10.9.3.1", i, data, data if i % 5 else None)
    for i in range(24):
        data = (b"abcdefghijklmnopqrstuvw" * 60)[:100 + 50 * i]
        net.ping("10.9.3.251", "10.9.3.1", i, data, data)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def ping_half():
    """An ordinary ping, of whose requests the mirror shows one in six."""
    net = Net(step=50 * MS)
    for i in range(24):
        data = struct.pack("<QQ", 1700000000 + i, i * 977) + bytes(range(16, 56))
        net.ping("10.9.3.250", "10.9.3.1", i, data if i % 6 == 0 else None, data)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def ping_manager():
    """A network manager pings twenty devices for the first time, with a payload, and they answer."""
    net = Net(step=50 * MS)
    for i in range(1, 21):
        net.ping("10.9.3.77", "10.9.3.%d" % i, i, bytes(range(56)), bytes(range(56)))
    return net


def arp(net, sender, target, answer=True):
    """Who has target? And, if somebody does: I."""
    a, b = mac_of(sender), mac_of(target)
    ends = [mac + ipaddress.ip_address(x).packed for mac, x in ((a, sender), (b, target))]
    head = struct.pack(">HHBB", 1, 0x0800, 6, 4)
    net.capture.add(ethernet(a, b"\xff" * 6, 0x0806, head + b"\0\1" + ends[0] + bytes(6) + ends[1][6:]))
    if answer:
        net.capture.add(ethernet(b, a, 0x0806, head + b"\0\2" + ends[1] + ends[0]))


def arp_start():
    """An HMI that starts asks for sixty controllers; ten are switched off. Then it asks for all of them again."""
    net = Net()
    for rest in range(2):
        for i in range(1, 61):
            arp(net, "10.9.3.250", "10.9.3.%d" % i, answer=i % 6 != 0)
        net.wait(10 * S)
    net.talk("10.9.3.250", "10.9.3.1", 502, READ, VALUES)
    return net


def icmp_kinds():
    """One each of what a plant does not need: a redirect, a question for the clock, a type without meaning, a ping in fragments."""
    net = Net(step=50 * MS)

    def icmp(src, dst, kind, code, rest, data, ident=None):
        head = struct.pack(">BBH", kind, code, 0) + rest
        message = head[:2] + struct.pack(">H", checksum(head + data)) + head[4:] + data
        if ident is None:
            net.put(src, dst, 1, message)
            return
        for at in range(0, len(message), 1480):
            more = 0x2000 if at + 1480 < len(message) else 0
            packet = ip(src, dst, 1, message[at:at + 1480], ident, fragment=more | at // 8)
            net.capture.add(ethernet(mac_of(src), mac_of(dst), 0x0800, packet))
    about = ip("10.9.3.31", "10.77.0.1", 6, tcp("10.9.3.31", 41000, "10.77.0.1", 502, 1, 0, SYN))
    icmp("10.9.3.254", "10.9.3.31", 5, 1, ipaddress.ip_address("10.9.3.66").packed, about[:28])
    icmp("10.9.3.66", "10.9.3.1", 13, 0, b"\0\1\0\1", bytes(12))
    icmp("10.9.3.66", "10.9.3.1", 200, 3, b"\0\1\0\1", b"anything")
    icmp("10.9.3.66", "10.9.3.1", 8, 0, b"\0\1\0\1", b"x" * 9500, ident=4711)
    return net


CAPTURES = (hmi_start, switch_restarts, half_mirror, probe_a_minute, port_a_minute, known_manager, knocks, peer_to_peer, worm, plc_worm, gateway,
            resolver, call_home, person, ping_tunnel, ping_upload, ping_ordinary, ping_half, ping_manager, arp_start, icmp_kinds)

if __name__ == "__main__":
    for make in CAPTURES:
        with open(os.path.join(sys.argv[1], make.__name__ + ".pcap"), "wb") as f:
            f.write(make().capture.pcap())
