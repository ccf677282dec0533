#!/usr/bin/python3
"""run.py - the sensor for long and under a flood: memory stays flat, caps hold and say so, a plant is followed through it all.

Soak: captures looped with addresses, times and sequence numbers shifted, through one sensor with everything on. LOAD_PACKETS of them
(default: 4 million; `make soak-sensor`: 100 million), half of it to warm up; after that its memory may not grow.
Flood: a million strangers against every table, by LOAD_STRANGERS.
Polls: the polling mix of the bench is what it says (polls.py). One word picks one of the three.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

import everything
import polls

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SENSOR = os.path.join(BUILD, "bongsu-sensor")
LOOP, FLOOD, POLLS = (os.path.join(BUILD, "load", name) for name in ("loop", "flood", "polls"))
PACKETS = int(os.environ.get("LOAD_PACKETS", "4000000"))
STRANGERS = int(os.environ.get("LOAD_STRANGERS", "1000000"))
PLANTS, PLANT = 400, 50         # of the soak; sessions in flood.c
MIB = 1 << 20
# Small enough for a million strangers to fill every table, so that each has to say so.
SMALL = ["limits.flows=20000", "limits.anomalies=4096", "limits.waiting=2048", "alerts.open=4096", "alerts.memory=4", "assets.devices=1024",
         "assets.talkers=4096", "detection.memory=1", "scan.sources=1024", "scan.contacts=8192", "scan.waiting=2048", "spread.hosts=1024",
         "spread.contents=256"]
PEAK_MIB = 120                  # program, rules and output, and those tables full
FULL = {"flow_table_full", "fragments_full", "alerts_full", "assets_full", "detection_memory_full", "scan_full", "spread_full"}
EVICTED = ("flow.evicted", "asset.evicted", "detect.alerts_closed_early", "detect.memory_evicted", "detect.wait_full", "scan.evicted",
           "scan.hurried", "spread.evicted", "skipped.fragments")
failures = []
passed = 0


def check(good, what):
    global passed
    print("%s %s" % ("ok  " if good else "FAIL", what), flush=True)
    passed += bool(good)
    if not good:
        failures.append(what)


def rss(pid):
    """Bytes, 0 when it has ended."""
    try:
        with open("/proc/%d/statm" % pid, encoding="ascii") as f:
            return int(f.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def read_counts(pipe, count):
    for line in pipe:
        count[0] = int(line)


def soak(folder):
    captures = [os.path.join(ROOT, "pcaps", "real", n) for n in sorted(os.listdir(os.path.join(ROOT, "pcaps", "real"))) if n.endswith(".pcap")]
    captures.append(os.path.join(ROOT, "pcaps", "demo", "plant.pcap"))
    config, site, some = (os.path.join(folder, n) for n in ("everything.yaml", "site.yaml", "some.pcap"))
    with open(some, "wb") as out:  # every plant once
        subprocess.run([LOOP, str(PLANTS * 1000), str(PLANTS), *captures[:-1]], check=True, stdout=out, stderr=subprocess.DEVNULL)
    everything.learn(SENSOR, some, site)
    devices = [everything.moved(address, n) for n in range(PLANTS) for address in ("10.9.0.10", "10.9.0.20")]
    everything.write(config, devices, site, os.path.join(folder, "evidence"))
    began = time.monotonic()
    loop = subprocess.Popen([LOOP, str(PACKETS), str(PLANTS), *captures], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sensor = subprocess.Popen([SENSOR, "-c", config, "-S", os.path.join(ROOT, "rules"), "-r", "-", "-o", "file:/dev/null"], stdin=loop.stdout,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    loop.stdout.close()
    count, samples = [0], []
    reader = threading.Thread(target=read_counts, args=(loop.stderr, count), daemon=True)
    reader.start()
    while sensor.poll() is None:
        samples.append((count[0], rss(sensor.pid)))
        time.sleep(0.05 if PACKETS < 10**7 else 0.5)
    said = sensor.stderr.read().decode("utf-8", "replace")
    seconds = time.monotonic() - began
    warm = [size for at, size in samples if 0 < at <= PACKETS // 2]
    late = [size for at, size in samples if at > PACKETS // 2 and size > 0]
    check(sensor.returncode == 0 and loop.wait() == 0, "soak: the sensor ends well (%d)" % sensor.returncode)
    check(" {:,}, ".format(PACKETS) in said.partition("messages")[0], "soak: every packet was read")
    check("nothing: every byte was" in said, "soak: and inspected")
    print(said)
    if not warm or not late:
        check(False, "soak: memory was looked at while it ran")
        return
    for share in range(0, 100, 10):
        sizes = [size for at, size in samples if size > 0 and share * PACKETS // 100 <= at < (share + 10) * PACKETS // 100]
        if sizes:
            print("     %3d %%: %.1f MiB at most" % (share, max(sizes) / MIB))
    check(max(late) <= max(warm) + MIB, "soak: memory is flat: %.1f MiB in the first half, %.1f MiB in the second" % (max(warm) / MIB, max(late) / MIB))
    print("     %d packets in %.1f s: %.2f million/s" % (PACKETS, seconds, PACKETS / seconds / 1e6), flush=True)


def flood(strangers, *settings):
    """What the sensor makes of it: events that matter, CPU seconds a packet, peak MiB."""
    sets = [word for s in settings for word in ("--set", s)]
    loop = subprocess.Popen([FLOOD, str(strangers)], stdout=subprocess.PIPE)
    sensor = subprocess.Popen([SENSOR, "-r", "-", "-S", os.path.join(ROOT, "rules"), "--quiet", "--events", "stats", "-o", "-", *sets],
                              stdin=loop.stdout, stdout=subprocess.PIPE)
    loop.stdout.close()
    plant = b'"src_ip":"10.1.0.1"'
    kept = [json.loads(line) for line in sensor.stdout if plant in line or b'"event_type":"alert"' not in line[:120]]
    _, status, usage = os.wait4(sensor.pid, 0)
    sensor.returncode = os.waitstatus_to_exitcode(status)
    check(sensor.returncode == 0 and loop.wait() == 0, "flood of %d: the sensor ends well" % strangers)
    stats = [e["stats"] for e in kept if e["event_type"] == "stats"][-1]
    packets = counter(stats, "decoder.pkts")
    return kept, stats, (usage.ru_utime + usage.ru_stime) / packets, usage.ru_maxrss / 1024


def counter(stats, path):
    for part in path.split("."):
        stats = stats.get(part, {})
    return stats or 0


def survivors(kept):
    """Sessions of the plant whose last write is in the very flow of their first, and both were accepted."""
    flows = {}
    for e in kept:
        if e["event_type"] == "alert" and e["src_ip"] == "10.1.0.1" and e["bongsu"].get("verdict", {}).get("outcome") == "accepted":
            flows.setdefault(e["dest_ip"], []).append(e["flow_id"])
    return sum(len(ids) > 1 and len(set(ids)) == 1 for ids in flows.values())


def flooded():
    kept, stats, cost, peak = flood(STRANGERS, *SMALL)
    _, _, few_cost, _ = flood(STRANGERS // 10, *SMALL)
    said = {e["anomaly"]["event"] for e in kept if e["event_type"] == "anomaly"}
    check(survivors(kept) == PLANT, "flood: %d of %d sessions are followed through it, and their writes told" % (survivors(kept), PLANT))
    check(FULL <= said, "flood: full tables are said: %s" % (", ".join(sorted(FULL - said)) + " missing" if FULL - said else ", ".join(sorted(FULL))))
    for path in EVICTED:
        check(counter(stats, path) > 0, "flood: %s is counted: %d" % (path, counter(stats, path)))
    check(counter(stats, "flow.active") <= 20000, "flood: flows within their cap")
    check(peak <= PEAK_MIB, "flood: %.0f MiB at its peak, at most %d" % (peak, PEAK_MIB))
    # Tables that are full must not cost more than tables that fill, beyond what eviction takes: neither time nor memory grows with strangers.
    check(cost <= 3 * few_cost, "flood: %.0f ns a packet with %d strangers, %.0f with a tenth" % (cost * 1e9, STRANGERS, few_cost * 1e9))


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    words = sys.argv[1:] or ["soak", "flood", "polls"]
    with tempfile.TemporaryDirectory() as folder:
        if "soak" in words:
            soak(folder)
        if "flood" in words:
            flooded()
        if "polls" in words:
            polls.check_all(SENSOR, os.path.join(ROOT, "rules"), POLLS, folder, check)
    print("%d passed, %d failed" % (passed, len(failures)))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
