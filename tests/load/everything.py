"""everything.py - a configuration that follows everything: what the bench and the soak measure is the whole sensor.

Assets, scans, ledger, view and folding are on by themselves; here are the parts that want to be told what to follow.
"""

import os
import subprocess

RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rules")

TAGS = """    level: {modbus: holding 0, type: i16, scale: 0.1, unit: m}
    flow: {modbus: holding 2, type: u32}
    pump: {modbus: coil 3}
    speed: {s7: DB8.DBW0, type: i16, unit: rpm}
    torque: {s7: DB8.DBW100, type: i16}
    running: {s7: M1.0}
"""
# What polls.c has polled: the addresses of a plant's controllers end so, and this is read of each.
POLLED = {
    10: """    level: {modbus: input 0, scale: 0.1, unit: m, low: 20, high: 450}
    pressure: {modbus: input 1, scale: 0.01, unit: bar, max_rate: 1/s}
    temperature: {modbus: input 8, unit: C, stuck: 10m}
    setpoint: {modbus: holding 2, kind: setpoint}
    running: {modbus: discrete 5}
    valve: {modbus: coil 3}
""",
    20: """    speed: {s7: DB20.DBD0, type: float32, unit: rpm, low: -1, high: 101}
    torque: {s7: DB20.DBD8, type: float32, max_rate: 5/s}
    current: {s7: DB20.DBD16, type: float32, unit: A, stuck: 10m}
    pieces: {s7: DB10.DBW4, type: u16}
    target: {s7: DB10.DBD0, type: float32, kind: setpoint}
    ready: {s7: M10.0}
""",
    30: """    feeder: {dnp3: analog_input 3, unit: A, low: -100000, high: 100000}
    voltage: {dnp3: analog_input 4, unit: V}
    energy: {dnp3: counter 1, unit: kWh}
    breaker: {dnp3: binary_input 2}
""",
}


def moved(address, by):
    """An IPv4 address, later by so many /24."""
    a, b, c, d = (int(part) for part in address.split("."))
    n = ((a << 24 | b << 16 | c << 8 | d) + (by << 8)) & 0xffffffff
    return "%d.%d.%d.%d" % (n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255)


def learn(sensor, capture, site, checksums=False):
    """A baseline of what goes on in a capture."""
    if os.path.exists(site):
        os.unlink(site)
    trust = [] if checksums else ["-k", "none"]
    subprocess.run([sensor, "learn", "--quiet", "-S", RULES, *trust, "-r", capture, "-o", site], check=True, stdin=subprocess.DEVNULL)


def write_points(path, points, site, evidence, level, rate):
    """A configuration with these points by device; a baseline to hold the traffic against, a folder for the packets of alerts."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("zones:\n  plant: {level: 1, prefixes: [10.0.0.0/8]}\n")
        f.write("limits:\n  points: %d\n" % max(20000, 6 * len(points)))
        if site is not None:
            f.write("baseline:\n  - {name: run, file: %s}\n" % site)
        if evidence is not None:
            f.write("evidence:\n  folder: %s\n  level: %s\n  rate: %d\n  size: 64\n" % (evidence, level, rate))
        f.write("points:\n")
        for device, tags in points.items():
            f.write("  %s:\n%s" % (device, tags))


def write(path, devices, site=None, evidence=None):
    """For controllers at these addresses of pcaps/real, moved."""
    write_points(path, dict.fromkeys(devices, TAGS), site, evidence, "critical", 6)


def write_polls(path, plants, site, evidence):
    """For so many plants of polls.c."""
    points = {moved("10.20.0.%d" % end, n): tags for n in range(plants) for end, tags in POLLED.items()}
    write_points(path, points, site, evidence, "high", 60)
