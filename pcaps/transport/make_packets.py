#!/usr/bin/python3
"""make_packets.py FOLDER - one Modbus exchange in everything that may stand below TCP.

Each capture holds a handshake, one Write Multiple Registers (transaction 42, unit 17, registers 100
and 101) from 10.9.0.5:41000 to 10.9.0.10:502 (or fd00:9::5, fd00:9::a) and its reply, unless it says
otherwise. Every header is packed here by hand; tshark was the judge.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from talk import ACK, PSH, SYN, Capture, checksum, ethernet, ip, ip_kind, mac_of, tcp, udp  # noqa: E402

CLIENT, SERVER = "10.9.0.5", "10.9.0.10"
CLIENT6, SERVER6 = "fd00:9::5", "fd00:9::a"
OUT_A, OUT_B = "192.0.2.1", "192.0.2.2"          # ends of tunnels
OUT6_A, OUT6_B = "2001:db8::1", "2001:db8::2"
WRITE = bytes.fromhex("002a 0000 000b 11 10 0064 0002 04 1234 abcd")
WRITTEN = bytes.fromhex("002a 0000 0006 11 10 0064 0002")
LONG = bytes.fromhex("002a 0000 00fd 11 10 0064 007b f6") + bytes(range(1, 247))  # 123 registers
VALUE_OTHER = bytes.fromhex("002a 0000 000b 11 10 0064 0002 04 1234 dcba")


def segments(client, server, request=WRITE, reply=WRITTEN):
    """(from client?, l4 bytes) of the exchange."""
    a, b, sa, sb = 41000, 502, 1000, 5000
    yield True, tcp(client, a, server, b, sa, 0, SYN)
    yield False, tcp(server, b, client, a, sb, sa + 1, SYN | ACK)
    yield True, tcp(client, a, server, b, sa + 1, sb + 1, ACK)
    yield True, tcp(client, a, server, b, sa + 1, sb + 1, PSH | ACK, request)
    yield False, tcp(server, b, client, a, sb + 1, sa + 1 + len(request), PSH | ACK, reply)


def packets(client=CLIENT, server=SERVER, wrap=lambda l4, src, dst, n: ip(src, dst, 6, l4, ident=n), **more):
    """(from client?, IP packet)"""
    for n, (forth, l4) in enumerate(segments(client, server, **more), 1):
        src, dst = (client, server) if forth else (server, client)
        yield forth, wrap(l4, src, dst, n)


def packets6(**more):
    return packets(CLIENT6, SERVER6, **more)


def frames(of=None, kind=None):
    """(from client?, Ethernet frame)"""
    for forth, packet in of or packets():
        a, b = (mac_of(CLIENT), mac_of(SERVER)) if forth else (mac_of(SERVER), mac_of(CLIENT))
        yield forth, ethernet(a, b, kind or (0x86dd if packet[0] >> 4 == 6 else 0x0800), packet)


def ends(forth, a=OUT_A, b=OUT_B):
    return (a, b) if forth else (b, a)


def outer(payloads, l4, a=OUT_A, b=OUT_B):
    """Wraps payloads into IP between the ends of a tunnel, and that into Ethernet."""
    for n, (forth, payload) in enumerate(payloads, 100):
        src, dst = ends(forth, a, b)
        yield ethernet(mac_of(src), mac_of(dst), ip_kind(src), ip(src, dst, l4, payload, ident=n))


def outer_udp(payloads, port, sport=50000, sums=False):
    for n, (forth, payload) in enumerate(payloads, 100):
        src, dst = ends(forth)
        datagram = udp(src, sport, dst, port, payload)
        if not sums:
            datagram = datagram[:6] + b"\0\0" + datagram[8:]
        yield ethernet(mac_of(src), mac_of(dst), 0x0800, ip(src, dst, 17, datagram, ident=n))


def retag(frame, tags):
    """tags: (EtherType, id), outermost first."""
    return frame[:12] + b"".join(struct.pack(">HH", kind, vlan) for kind, vlan in tags) + frame[12:]


def labels(*numbers):
    return b"".join(struct.pack(">I", n << 12 | (0x100 if last else 0) | 64)
                    for n, last in ((n, i == len(numbers) - 1) for i, n in enumerate(numbers)))


def gre(kind, payload, flags=0, key=None, seq=None, summed=False):
    body = b""
    if key is not None:
        flags, body = flags | 0x2000, body + struct.pack(">I", key)
    if seq is not None:
        flags, body = flags | 0x1000, body + struct.pack(">I", seq)
    if not summed:
        return struct.pack(">HH", flags, kind) + body + payload
    flags |= 0x8000
    total = checksum(struct.pack(">HHHH", flags, kind, 0, 0) + body + payload)
    return struct.pack(">HHHH", flags, kind, total, 0) + body + payload


def erspan2(frame, n):
    return gre(0x88be, struct.pack(">HHI", 1 << 12 | 7, 100, 0) + frame, seq=n)


def erspan3(frame, n, platform, kind=0):
    head = struct.pack(">HHIHH", 2 << 12 | 7, 100, n, 0, kind << 10 | (1 if platform else 0))
    return gre(0x22eb, head + (bytes(8) if platform else b"") + frame, seq=n)


def vxlan(frame):
    return struct.pack(">II", 0x08000000, 77 << 8) + frame


def geneve(frame, options=b""):
    return struct.pack(">BBHI", len(options) // 4, 0, 0x6558, 77 << 8) + options + frame


def gtp(packet, extended):
    extra = bytes.fromhex("0001 00 85") + bytes.fromhex("01 0005 00") if extended else b""
    return struct.pack(">BBHI", 0x34 if extended else 0x30, 255, len(extra) + len(packet), 9) + extra + packet


def ppp(packet):
    return bytes.fromhex("0021") + packet


def sll(forth, packet):
    return struct.pack(">HHH", 4 if forth else 0, 1, 6) + mac_of(CLIENT if forth else SERVER) + b"\0\0" + b"\x08\0" + packet


def sll2(forth, packet):
    return struct.pack(">HHIHBB", 0x0800, 0, 2, 1, 4 if forth else 0, 6) + mac_of(CLIENT if forth else SERVER) + b"\0\0" + packet


# --- fragments ----------------------------------------------------------------------------------

def fragments4(packet, size):
    """An IPv4 packet in pieces of that many bytes of payload."""
    src, dst = (".".join(map(str, packet[n:n + 4])) for n in (12, 16))
    ident, body = struct.unpack(">H", packet[4:6])[0], packet[20:]
    return [ip(src, dst, packet[9], body[at:at + size], ident=ident,
               fragment=(0x2000 if at + size < len(body) else 0) | at // 8)
            for at in range(0, len(body), size)]


def piece4(ident, offset, body, more, src=CLIENT, dst=SERVER, l4=6):
    return ip(src, dst, l4, body, ident=ident, fragment=(0x2000 if more else 0) | offset // 8)


def fragment6(packet, size, ident=0x1234):
    src, dst, body = packet[8:24], packet[24:40], packet[40:]
    out = []
    for at in range(0, len(body), size):
        part = body[at:at + size]
        head = struct.pack(">BBHI", packet[6], 0, at | (1 if at + size < len(body) else 0), ident)
        out.append(struct.pack(">IHBB", 6 << 28, 8 + len(part), 44, 64) + src + dst + head + part)
    return out


def request_in(pieces, of=packets, **more):
    """The exchange, with the request replaced by what pieces() makes of it."""
    out = []
    for n, (forth, packet) in enumerate(of(**more)):
        for part in pieces(packet) if n == 3 else [packet]:
            out.append((forth, part))
    return out


# --- files --------------------------------------------------------------------------------------

def capture(all_frames):
    c = Capture()
    for f in all_frames:
        c.add(f)
    return c


def block(kind, body, order="<"):
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order="<"):
    return block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order)


def interface(link, order="<", options=b"", snaplen=0):
    return block(1, struct.pack(order + "HHI", link, 0, snaplen) + options, order)


def enhanced(number, units, data, order="<"):
    return block(6, struct.pack(order + "IIIII", number, units >> 32, units & 0xffffffff, len(data), len(data)) + data, order)


def option(code, data, order="<"):
    return struct.pack(order + "HH", code, len(data)) + data + b"\0" * (-len(data) % 4)


SECONDS = 1772438400  # 2026-03-02T08:00:00 UTC


def classic(order, magic, unit, link=1, of=None):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for n, data in enumerate(of or [f for _, f in frames()]):
        out += struct.pack(order + "IIII", SECONDS, n * 5000 * unit + (7 if unit == 1000 else 0), len(data), len(data)) + data
    return out


def pcapng_mixed():
    """Ethernet in microseconds, raw IP in nanoseconds with an offset, cooked in 2^-10 seconds; blocks
    of other kinds between."""
    out = section() + interface(1)
    out += interface(101, options=option(9, b"\x09") + option(14, struct.pack("<q", SECONDS)) + option(0, b""))
    out += interface(113, options=option(2, b"lo") + option(9, b"\x8a"))
    out += block(5, struct.pack("<III", 0, 0, 0)) + block(0x0bad, b"who knows") + block(4, bytes(4))
    for n, (forth, packet) in enumerate(packets()):
        late = n * 5_000_000  # nanoseconds
        if n % 3 == 0:
            frame = ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, packet)
            out += enhanced(0, SECONDS * 10**6 + late // 1000, frame)
        elif n % 3 == 1:
            out += enhanced(1, late, packet)
        else:
            out += enhanced(2, SECONDS * 1024 + late * 1024 // 10**9, sll(forth, packet))
    return out


def pcapng_sections():
    """A big-endian section, then a little-endian one with the obsolete packet block."""
    all_frames = [f for _, f in frames()]
    out = section(">") + interface(1, ">")
    for n, f in enumerate(all_frames[:3]):
        out += enhanced(0, SECONDS * 10**6 + n * 5000, f, ">")
    out += section() + interface(101) + interface(1)
    for n, f in enumerate(all_frames[3:], 3):
        units = SECONDS * 10**6 + n * 5000
        out += block(2, struct.pack("<HHIIII", 1, 0, units >> 32, units & 0xffffffff, len(f), len(f)) + f)
    return out


def pcapng_simple():
    out = section() + interface(1, snaplen=70)
    for _, f in frames():
        out += block(3, struct.pack("<I", len(f)) + f[:70])
    return out


def contested():
    """The piece with the registers comes twice, with other values; the checksum is that of the later one."""
    def pieces(packet):
        first, later = packet[20:], list(packets(request=VALUE_OTHER))[3][1][20:]
        return [piece4(4, 0, later[:32], True), piece4(4, 32, first[32:], False), piece4(4, 32, later[32:], False)]

    def twice(packet):
        """In an order that leaves the whole open until both have come."""
        head, first, later = pieces(packet)
        return [first, later, head]
    return frames(request_in(twice))


def everything():
    """name -> bytes of the file"""
    eth = [f for _, f in frames()]
    files = {}

    def put(name, all_frames, link=1, **how):
        files[name] = capture(all_frames).pcap(link=link, **how)

    # link types
    put("link_raw", [p for _, p in packets()], 101)
    put("link_raw_bsd", [p for _, p in packets6()], 12)
    put("link_ipv4", [p for _, p in packets()], 228)
    put("link_ipv6", [p for _, p in packets6()], 229)
    put("link_null_le", [b"\x02\0\0\0" + p for _, p in packets()], 0)
    put("link_null_be", [b"\0\0\0\x1e" + p for _, p in packets6()], 0)
    put("link_loop", [b"\0\0\0\x02" + p for _, p in packets()], 108)
    put("link_sll", [sll(*p) for p in packets()], 113)
    put("link_sll2", [sll2(*p) for p in packets()], 276)
    put("link_ppp", [b"\xff\x03" + ppp(p) for _, p in packets()], 9)
    put("link_hdlc", [b"\x0f\0\x08\0" + p for _, p in packets()], 104)
    put("link_unknown", [bytes(40)] + eth[:1], 147)

    # file formats
    files["file_us_be"] = classic(">", 0xa1b2c3d4, 1)
    files["file_ns_le"] = classic("<", 0xa1b23c4d, 1000)
    files["file_ns_be"] = classic(">", 0xa1b23c4d, 1000)
    files["file_mixed.pcapng"] = pcapng_mixed()
    files["file_sections.pcapng"] = pcapng_sections()
    files["file_simple.pcapng"] = pcapng_simple()
    files["file_cut"] = capture(eth).pcap()[:-9]
    files["file_modified"] = b"\x34\xcd\xb2\xa1" + classic("<", 0xa1b2c3d4, 1)[4:]
    files["file_long_packet"] = capture(eth).pcap() + struct.pack("<IIII", SECONDS, 0, 0x7fffffff, 60) + bytes(60)

    # tags and labels
    put("vlan", [retag(f, [(0x8100, 7)]) for f in eth])
    put("qinq", [retag(f, [(0x88a8, 100), (0x8100, 7)]) for f in eth])
    put("vlan_four", [retag(f, [(0x88a8, 1), (0x9100, 2), (0x8100, 3), (0x8100, 4)]) for f in eth])
    put("snap", [f[:12] + struct.pack(">H", len(f) - 14 + 8) + b"\xaa\xaa\x03\0\0\0\x08\0" + f[14:] for f in eth])
    put("hsr", [f[:12] + struct.pack(">HHH", 0x892f, len(f) - 8, n) + f[12:] for n, f in enumerate(eth)])
    put("mpls", [f[:12] + b"\x88\x47" + labels(16, 17) + f[14:] for f in eth])
    put("mpls_pseudowire", [f[:12] + b"\x88\x47" + labels(18) + bytes(4) + f for f in eth])
    put("mpls_pseudowire_bare", [f[:12] + b"\x88\x47" + labels(18) + f for f in eth])
    put("pppoe", [f[:12] + b"\x88\x64" + struct.pack(">BBHH", 0x11, 0, 5, len(f) - 12) + ppp(f[14:]) for f in eth])
    put("padding", [f + b"\xee" * 30 for f in eth])

    # tunnels
    put("gre", outer(((d, gre(0x0800, p)) for d, p in packets()), 47))
    put("gre_options", outer(((d, gre(0x0800, p, key=9, seq=n, summed=True)) for n, (d, p) in enumerate(packets())), 47))
    put("gre_ethernet", outer(((d, gre(0x6558, retag(f, [(0x8100, 7)]))) for d, f in frames()), 47))
    put("erspan1", outer(((d, gre(0x88be, f)) for d, f in frames()), 47))
    put("erspan2", outer(((d, erspan2(f, n)) for n, (d, f) in enumerate(frames())), 47))
    put("erspan3", outer(((d, erspan3(f, n, False)) for n, (d, f) in enumerate(frames())), 47))
    put("erspan3_platform", outer(((d, erspan3(f, n, True)) for n, (d, f) in enumerate(frames())), 47))
    put("erspan3_ip", outer(((d, erspan3(p, n, True, 2)) for n, (d, p) in enumerate(packets())), 47))
    put("vxlan", [retag(f, [(0x8100, 30)]) for f in outer_udp(((d, vxlan(f)) for d, f in frames()), 4789)])
    put("vxlan_linux", outer_udp(((d, vxlan(f)) for d, f in frames()), 8472, sums=True))
    put("geneve", outer_udp(((d, geneve(f, bytes.fromhex("0102 80 01 00000007"))) for d, f in frames()), 6081))
    put("gtp", outer_udp(((d, gtp(p, False)) for d, p in packets()), 2152, 2152))
    put("gtp_extension", outer_udp(((d, gtp(p, True)) for d, p in packets()), 2152, 2152))
    put("ipip", outer(packets(), 4))
    put("ip6in4", outer(packets6(), 41))
    put("ip4in6", outer(packets(), 4, OUT6_A, OUT6_B))
    put("ip6in6", outer(packets6(), 41, OUT6_A, OUT6_B))
    deep = list(packets())
    for n in range(8):
        deep = [(d, ip(*ends(d, "192.0.2.%d" % (10 + n), "192.0.2.%d" % (30 + n)), 4, p)) for d, p in deep]
    put("deep_eight", [f for _, f in frames(deep)])
    deep = [(d, ip(*ends(d), 4, p)) for d, p in deep]
    put("deep_nine", [f for _, f in frames(deep)])
    put("udp", [ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, ip(CLIENT, SERVER, 17, udp(CLIENT, 41000, SERVER, 502, WRITE), ident=1)),
                ethernet(mac_of(SERVER), mac_of(CLIENT), 0x0800, ip(SERVER, CLIENT, 17, udp(SERVER, 502, CLIENT, 41000, WRITTEN), ident=2))])
    put("udp_no_sum", [f[:40] + b"\0\0" + f[42:] for f in (
        ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, ip(CLIENT, SERVER, 17, udp(CLIENT, 41000, SERVER, 502, WRITE), ident=1)),
        ethernet(mac_of(SERVER), mac_of(CLIENT), 0x0800, ip(SERVER, CLIENT, 17, udp(SERVER, 502, CLIENT, 41000, WRITTEN), ident=2)))])

    # headers
    def v4_options(l4, src, dst, n):
        packet = ip(src, dst, 6, l4, ident=n)
        head = bytes([0x47]) + packet[1:2] + struct.pack(">H", len(packet) + 8) + packet[4:10] + b"\0\0" + packet[12:20]
        head += bytes.fromhex("01 94 04 0000 01 01 00")  # router alert between fillers
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + l4

    def v4_routed(l4, src, dst, n):
        """A loose source route by way of 10.9.0.254: the header's destination is the next hop."""
        hop = bytes([10, 9, 0, 254])
        final = ip(src, dst, 6, b"")[16:20]
        head = bytes([0x47, 0]) + struct.pack(">HHHBBH", 28 + len(l4), n, 0, 64, 6, 0) + ip(src, dst, 6, b"")[12:16] + hop
        head += bytes([131, 7, 4]) + final + b"\0"
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + l4

    def v6_extended(l4, src, dst, n):
        more = bytes.fromhex("2b 00 0104 00000000") + bytes.fromhex("3c 00 00 00 00000000") + bytes.fromhex("06 00 0104 00000000")
        packet = ip(src, dst, 0, more + l4)
        return packet

    def v6_atomic(l4, src, dst, n):
        return ip(src, dst, 44, struct.pack(">BBHI", 6, 0, 0, n) + l4)

    def authenticated(l4, src, dst, n):
        return ip(src, dst, 51, struct.pack(">BBHII", 6, 4, 0, 5, n) + bytes(12) + l4, ident=n)

    put("ip_options", [f for _, f in frames(packets(wrap=v4_options))])
    put("ip_source_route", [f for _, f in frames(packets(wrap=v4_routed))])
    put("ip6_extensions", [f for _, f in frames(packets6(wrap=v6_extended))])
    put("ip6_atomic", [f for _, f in frames(packets6(wrap=v6_atomic))])
    put("ip_authenticated", [f for _, f in frames(packets(wrap=authenticated))])

    # checksums and lengths
    bad = [f[:50] + bytes([f[50] ^ 0x55]) + f[51:] for f in eth]
    put("sum_tcp_wrong", bad)
    put("sum_ip_wrong", [f[:24] + bytes([f[24] ^ 0x55]) + f[25:] for f in eth])
    put("total_zero", [f[:16] + b"\0\0" + f[18:24] + struct.pack(">H", checksum(f[14:16] + b"\0\0" + f[18:24] + b"\0\0" + f[26:34])) + f[26:] for f in eth])
    snapped = Capture()
    for f in eth:
        snapped.add(f, 60)
    files["snapped"] = snapped.pcap(snaplen=60)

    # fragments
    put("frag_two", [f for _, f in frames(request_in(lambda p: fragments4(p, 32)))])
    put("frag_tiny", [f for _, f in frames(request_in(lambda p: fragments4(p, 8)))])
    put("frag_reversed", [f for _, f in frames(request_in(lambda p: fragments4(p, 8)[::-1]))])
    put("frag_copies", [g for _, f in frames(request_in(lambda p: fragments4(p, 16))) for g in (f, retag(f, [(0x8100, 7)]))])
    put("frag_long", [f for _, f in frames(request_in(lambda p: fragments4(p, 64), request=LONG))])
    put("frag_missing", [f for _, f in frames(request_in(lambda p: fragments4(p, 8)[:3] + fragments4(p, 8)[4:]))])
    put("frag_contested", [f for _, f in contested()])
    put("frag_beyond", [ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, piece4(9, 65528, bytes(32), False))] + eth)
    put("frag_empty", [ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, piece4(9, 0, b"", True)),
                       ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, piece4(9, 8, bytes(12), True))] + eth)
    put("frag_ip6", [f for _, f in frames(request_in(lambda p: fragment6(p, 16), packets6))])
    put("frag_vxlan", outer_udp(((d, vxlan(f)) for d, f in frames(request_in(lambda p: fragments4(p, 24)))), 4789))
    put("frag_of_tunnel", [g for f in outer_udp(((d, vxlan(f)) for d, f in frames()), 4789)
                           for g in ([f] if len(f) < 120 else [f[:14] + p for p in fragments4(f[14:], 80)])])
    flood = [ethernet(mac_of(CLIENT), mac_of(SERVER), 0x0800, piece4(n, 0, bytes(8), True, src="172.16.%d.%d" % (n >> 8, n & 255)))
             for n in range(300)]
    put("frag_flood", flood + eth)
    return files


def main():
    folder = sys.argv[1]
    for name, data in everything().items():
        with open(os.path.join(folder, name if "." in name else name + ".pcap"), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
