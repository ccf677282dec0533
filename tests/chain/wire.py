#!/usr/bin/env python3
"""wire.py - a cable between two network namespaces that loses and delays packets.
usage: wire.py PID NAME ADDRESS PID NAME ADDRESS      each: a process in the namespace, the interface to make there, its address/bits

Reads "LOSS DELAY_MS JITTER_MS" from standard input whenever that changes; loss in both directions, 1: the cable is cut."""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454ca, 1, 0x1000, 0x40000000


def end(pid, name, address):
    """A TUN interface in the namespace of @pid; what it sends is read from the descriptor."""
    with open("/proc/%s/ns/net" % pid) as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run("ip addr add %s dev %s && ip link set %s up && ip link set lo up" % (address, name, name), shell=True, check=True)
    return fd


def main():
    ends = [end(*sys.argv[1:4]), end(*sys.argv[4:7])]
    print("up", flush=True)
    loss, delay, jitter = 0.0, 0.0, 0.0
    due, count, seen, lost = [], 0, 0, 0
    chance = random.Random(1)
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else None
        ready, _, _ = select.select([0, *ends], [], [], wait)
        if 0 in ready:
            line = sys.stdin.readline()
            if not line:
                print("%d packets, %d lost" % (seen, lost), flush=True)
                return
            loss, delay, jitter = (float(x) for x in line.split())
        for i in (0, 1):
            if ends[i] not in ready:
                continue
            packet = os.read(ends[i], 65536)
            seen += 1
            if chance.random() < loss:
                lost += 1
                continue
            count += 1
            heapq.heappush(due, (time.monotonic() + (delay + chance.uniform(-jitter, jitter)) / 1000, count, ends[1 - i], packet))
        while due and due[0][0] <= time.monotonic():
            _, _, out, packet = heapq.heappop(due)
            try:
                os.write(out, packet)
            except OSError:
                pass


main()
