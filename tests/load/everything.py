"""everything.py - a configuration that follows everything: what the bench and the soak measure is the whole sensor.

Assets, scans, ledger, view and folding are on by themselves; here are the parts that want to be told what to follow.
"""

import os
import subprocess

TAGS = """    level: {modbus: holding 0, type: i16, scale: 0.1, unit: m}
    flow: {modbus: holding 2, type: u32}
    pump: {modbus: coil 3}
    speed: {s7: DB8.DBW0, type: i16, unit: rpm}
    torque: {s7: DB8.DBW100, type: i16}
    running: {s7: M1.0}
"""


def moved(address, by):
    """An IPv4 address, later by so many /24."""
    a, b, c, d = (int(part) for part in address.split("."))
    n = ((a << 24 | b << 16 | c << 8 | d) + (by << 8)) & 0xffffffff
    return "%d.%d.%d.%d" % (n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255)


def learn(sensor, capture, site):
    """A baseline of what goes on in a capture."""
    if os.path.exists(site):
        os.unlink(site)
    subprocess.run([sensor, "learn", "--quiet", "-k", "none", "-r", capture, "-o", site], check=True, stdin=subprocess.DEVNULL)


def write(path, devices, site=None, evidence=None):
    """For controllers at these addresses; a baseline to hold the traffic against, a folder for the packets of alerts."""
    devices = list(dict.fromkeys(devices))
    with open(path, "w", encoding="utf-8") as f:
        f.write("zones:\n  plant: {level: 1, prefixes: [10.0.0.0/8]}\n")
        f.write("limits:\n  points: %d\n" % max(20000, 6 * len(devices)))
        if site is not None:
            f.write("baseline:\n  - {name: run, file: %s}\n" % site)
        if evidence is not None:
            f.write("evidence:\n  folder: %s\n  level: critical\n  rate: 6\n  size: 64\n" % evidence)
        f.write("points:\n")
        for device in devices:
            f.write("  %s:\n%s" % (device, TAGS))
