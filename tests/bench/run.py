#!/usr/bin/python3
"""run.py - what the sensor costs beside a bare loop over the same capture, and what the chain holds (chain.py). `make bench`.

BENCH_MB: size of each capture (default 200). BENCH_ROUNDS: how often each program runs, in turn (default 5).
BENCH_PART: "polls", "sensor" (polls among it) or "chain", for a part. The sensor's numbers are medians of CPU time (user and system,
all threads), less those of a capture without packets: loading; a ratio of one run beside the other holds on any machine, ns do not.
Ends with status 1 when a budget is missed by more than half.

The budgets of a message are those of the polling mix, plants that are polled on and on (tests/load/polls). They were measured on the
short sessions before, which stay as a line of their own; tests/load/polls/README.md says what changed and why.
"""
import os
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import chain
import mix

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "tests", "load"))
import everything  # noqa: E402
SHARED = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps")
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
POLLS = os.path.join(BUILD, "load", "polls")
PLANTS, LEARNED, PACKETS_A_MB = 32, 500000, 10000  # of the polling mix; learned: ten minutes, in which every operator writes
SENSOR, BARE = os.path.join(BUILD, "bongsu-sensor"), os.path.join(BUILD, "bench", "bare")
MB, ROUNDS = int(os.environ.get("BENCH_MB", "200")), int(os.environ.get("BENCH_ROUNDS", "5"))
PART = os.environ.get("BENCH_PART", "")
RULES = ["-S", os.path.join(ROOT, "rules")]
missed = []


def run(*command):
    """(CPU seconds, peak MiB) of a program that must succeed."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 5):
            out.seek(0)
            sys.exit("%s: status %d: %s" % (" ".join(command), child.returncode, out.read().decode("utf-8", "replace")[-2000:]))
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def in_turn(*commands):
    """The medians of several programs that run in turn: [(CPU, MiB)]."""
    runs = [[run(*command) for command in commands] for _ in range(ROUNDS)]
    return [(statistics.median(r[n][0] for r in runs), max(r[n][1] for r in runs)) for n in range(len(commands))]


def sensor(capture, *more, checksums=False):
    trust = [] if checksums else ["-k", "none"]
    return [SENSOR, "--quiet", *trust, "-r", capture, "-o", "file:/dev/null", *(more or RULES)]


def no_packets(folder):
    """A capture of none: what its replay costs is loading, and ending."""
    path = os.path.join(folder, "nothing.pcap")
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    return path


def packets(capture):
    return int(subprocess.run([BARE, capture], capture_output=True, check=True).stdout.split()[0])


def say(what, value, unit, budget=None, least=False):
    """One figure; its budget is the most that it may be, or the least."""
    verdict = ""
    if budget is not None:
        held = value >= budget if least else value <= budget
        verdict = "   budget %g%s: %s" % (budget, " or more" if least else "", "held" if held else "MISSED")
        if value < budget / 1.5 if least else value > budget * 1.5:
            missed.append(what)
    print("  %-56s %10.2f %s%s" % (what, value, unit, verdict), flush=True)


def public_captures(folder):
    """(what it is, path) of those that lie outside this repository."""
    if not os.path.exists(os.path.join(SHARED, "make_big.sh")) or not shutil.which("editcap"):
        print("  (no shared captures here: only this project's own are measured)")
        return
    for what, only in (("the public captures of three protocols", "modbus s7comm dnp3"), ("all public captures, office traffic and attacks", "")):
        path = os.path.join(folder, "public-%s%d.pcap" % ("ics-" if only else "", MB))
        if not os.path.exists(path):
            env = dict(os.environ, ONLY=only) if only else dict(os.environ)
            subprocess.run([os.path.join(SHARED, "make_big.sh"), path, str(MB)], check=True, env=env, stdout=subprocess.DEVNULL)
        yield what, path


def measure(what, capture, config=None, budgets=(None, None), checksums=False):
    """The sensor as it comes, and with a configuration that follows everything: also without rules, so that each part's cost shows."""
    kinds = [RULES]
    if config is not None:
        kinds += [["-c", config, *RULES], ["-c", config, "-S", os.path.join(HERE, "never.yaml")]]
    nothing = no_packets(os.path.dirname(capture))
    both = [sensor(path, *kind, checksums=checksums) for path in (capture, nothing) for kind in kinds]
    bare, *measured = in_turn([BARE, capture], *both)
    loads = measured[len(kinds):]
    costs = [whole[0] - load[0] for whole, load in zip(measured, loads)]
    count = packets(capture)
    print("\n%s: %d packets, %d MiB; loading left out" % (what, count, os.path.getsize(capture) >> 20))
    say("CPU beside a bare pcap_next_ex loop", costs[0] / bare[0], "x", budgets[0])
    say("bare loop", bare[0] / count * 1e9, "ns a packet")
    say("sensor", costs[0] / count * 1e9, "ns a packet")
    say("sensor, one core", count / costs[0] / 1e6, "million packets/s")
    say("loading, left out of it", loads[0][0] * 1e3, "ms")
    say("memory at its peak", measured[0][1], "MiB")
    if config is not None:
        print(" with all of it on: points, assets, scans, ledger, baselines, folding, evidence")
        say("CPU beside the same loop, all of it on", costs[1] / bare[0], "x", budgets[1])
        say("sensor", costs[1] / count * 1e9, "ns a packet")
        say("without rules", costs[2] / count * 1e9, "ns a packet")
        say("memory at its peak", measured[1][1], "MiB")


def write_polls(path, count):
    with open(path, "wb") as out:
        subprocess.run([POLLS, str(count), str(PLANTS)], check=True, stdout=out, stderr=subprocess.DEVNULL)


def measure_polls(folder):
    """What budgets are about. The baseline is learned from the beginning of the same run."""
    names = ("polls-%d.pcap" % MB, "polls-first.pcap", "polls-site.yaml", "polls.yaml", "evidence")
    capture, first, site, config, evidence = (os.path.join(folder, name) for name in names)
    write_polls(capture, MB * PACKETS_A_MB)
    write_polls(first, LEARNED)
    everything.learn(SENSOR, first, site, checksums=True)
    everything.write_polls(config, PLANTS, site, evidence)
    what = "%d plants polled on by Modbus, S7comm and DNP3, checksums on" % PLANTS
    measure(what, capture, config, (2.5, 3.0), checksums=True)


def write_short(folder):
    real = [os.path.join(ROOT, "pcaps", "real", n) for n in sorted(os.listdir(os.path.join(ROOT, "pcaps", "real"))) if n.endswith(".pcap")]
    capture = os.path.join(folder, "short-%d.pcap" % MB)
    subprocess.run([os.path.join(HERE, "mix.py"), capture, str(MB), *real], check=True)
    return capture


def everything_for(folder, capture):
    """A configuration that follows everything, with points on every controller of the short sessions, and a baseline of them."""
    config, site = (os.path.join(folder, n) for n in ("everything.yaml", "site.yaml"))
    everything.learn(SENSOR, capture, site)
    frame = bytearray(34)
    frame[26:34] = bytes([10, 9, 0, 5, 10, 9, 0, 10])
    devices = [".".join(str(b) for b in mix.moved(frame, n)[30:34]) for n in range(MB * 16)]
    everything.write(config, devices, site, os.path.join(folder, "evidence"))
    return config


def measure_alerts(folder):
    """The demo's attacks between ever other addresses: nothing is suppressed, nearly every message is an alert."""
    capture, lines = os.path.join(folder, "alerts.pcap"), os.path.join(folder, "alerts.json")
    subprocess.run([os.path.join(HERE, "mix.py"), capture, str(max(2, MB // 10)), os.path.join(ROOT, "pcaps", "demo", "plant.pcap")], check=True)
    nothing = os.path.join(folder, "nothing")
    os.makedirs(nothing, exist_ok=True)
    subprocess.run([SENSOR, "--quiet", "-r", capture, *RULES, "-o", "file:" + lines], check=True, capture_output=True)
    with open(lines, encoding="utf-8") as f:
        count = sum(1 for _ in f)
    size = os.path.getsize(lines)
    with_alerts, without = in_turn(sensor(capture), sensor(capture, "-S", os.path.join(HERE, "never.yaml")))
    print("\nalerts: %d events of %d bytes each" % (count, size // max(count, 1)))
    say("match, wait for the verdict, write JSON, hand over", (with_alerts[0] - without[0]) / count * 1e6, "us an event")
    say("events, one core", count / with_alerts[0] / 1e3, "thousand/s")
    text = subprocess.run([os.path.join(BUILD, "bench", "bench_alert"), os.path.join(ROOT, "rules", "modbus.yaml"), os.path.join(ROOT, "rules", "attack.yaml")],
                          capture_output=True, check=True, text=True).stdout
    say("alert to JSON alone, best of 5 (%s bytes)" % text.split()[-2], float(text.split()[0]) / 1e3, "us", 1)


def measure_redis(lines=300000):
    """Lines into a Redis of our own over its unix socket, acknowledged, spooled on the way."""
    if not shutil.which("redis-server"):
        print("\n(no redis-server here)")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "redis.sock")
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(path):
                time.sleep(0.02)
            began = time.monotonic()
            subprocess.run([os.path.join(BUILD, "redis", "pump"), "-n", str(lines), "-p", "600", "-d", os.path.join(folder, "spool"),
                            "redis+unix://%s?key=bench" % path], check=True, capture_output=True)
            seconds = time.monotonic() - began
        finally:
            server.terminate()
            server.wait()
    print("\nRedis: %d lines of 600 bytes in %.1f s, server on the same machine" % (lines, seconds))
    say("lines into Redis", lines / seconds / 1e3, "thousand/s", 100, least=True)


def measure_rules(folder, capture):
    few, many = (os.path.join(folder, "%d.yaml" % n) for n in (100, 10000))
    for path, n in ((few, 100), (many, 10000)):
        with open(path, "w", encoding="utf-8") as f:
            subprocess.run([os.path.join(HERE, "make_rules.py"), str(n)], check=True, stdout=f)
    load_few, load_many = in_turn([SENSOR, "--quiet", "-T", "-S", few], [SENSOR, "--quiet", "-T", "-S", many])
    cost_few, cost_many = in_turn(sensor(capture, "-S", few), sensor(capture, "-S", many))
    print("\n100 rules, then 10,000")
    say("CPU of the replay, loading left out", (cost_many[0] - load_many[0]) / (cost_few[0] - load_few[0]), "x", 1.25)
    say("loading 10,000 rules", load_many[0] * 1e3, "ms")
    say("memory with 10,000 rules", cost_many[1], "MiB")


def measure_sensor(folder):
    short = write_short(folder)
    measure("many short sessions, every function, from pcaps/real", short, everything_for(folder, short))
    for what, path in public_captures(folder):
        measure(what, path)
    measure_rules(folder, short)
    measure_alerts(folder)
    measure_redis()


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = os.path.join(BUILD, "bench")
    os.makedirs(folder, exist_ok=True)
    if PART in ("", "sensor", "polls"):
        measure_polls(folder)
    if PART in ("", "sensor"):
        measure_sensor(folder)
    if PART in ("", "chain"):
        chain.more_files()
        chain.measure(os.path.join(folder, "chain"), say)
    if missed:
        print("\nmissed by more than half: %s" % "; ".join(missed))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
