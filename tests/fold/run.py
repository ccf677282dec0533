#!/usr/bin/python3
"""run.py - folding loses no occurrence: the counts of all alerts are the same, folded or not.

Replays every capture of pcaps/ (and, where it is present, attack and plant captures of ../shared/pcaps) with rules that have lost their
suppress, folding off: one alert an occurrence. Then folded, by rules with and without suppress, in a table as large as it is by default
and in one of 16 entries: each kind of alert adds up to the same, totals and numbers agree, and there are not more events.

usage: run.py [--table CAPTURE ...]
"""
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps")
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor")
RULES = os.path.join(ROOT, "rules")
TOGETHER = 12
SMALL = ["--set", "alerts.open=16", "--set", "alerts.close=2"]
WAYS = (("folded", False, []), ("small table", False, SMALL), ("shipped rules", True, []), ("suppress only", True, ["--set", "alerts.fold=off"]),
        ("suppress in a small table", True, SMALL))


def plain_rules(folder):
    """The shipped rules without suppress."""
    for path in glob.glob(os.path.join(RULES, "*.yaml")):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r",?\s*suppress: \{by: \[[^\]]*\], seconds: \d+\}", "", f.read())
        assert "suppress:" not in text, path
        with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as f:
            f.write(text)
    os.symlink(os.path.join(RULES, "lists"), os.path.join(folder, "lists"))
    return folder


def replay(captures, rules, *args):
    files = [word for capture in captures for word in ("-r", capture)]
    done = subprocess.run([SENSOR, "--quiet", "-k", "none", *files, "-S", rules, "-o", "-", *args], capture_output=True, timeout=300)
    assert done.returncode in (0, 4, 5), done.stderr.decode("utf-8", "replace")[-2000:]
    return [e for e in map(json.loads, done.stdout.splitlines()) if e["event_type"] == "alert"]


def occurrences(alerts, suppress):
    """By rule; where no rule says otherwise also by ends and verdict, which from high up only the first one knows not."""
    sums = collections.Counter()
    for e in alerts:
        known = e["bongsu"].get("verdict", {}).get("outcome") if e["alert"]["severity"] > 2 else None
        kind = (e["alert"]["signature_id"],) if suppress else (e["alert"]["signature_id"], e.get("src_ip"), e.get("dest_ip"), known)
        sums[kind] += e["bongsu"]["count"]
    return sums


def faults_of(alerts):
    """An update follows the event that opened it; total is what its events have counted so far."""
    opened, so_far = {}, collections.Counter()
    for e in alerts:
        b = e["bongsu"]
        n = b.get("open", b["n"])
        if "open" in b and n not in opened:
            yield "event %d is of %d, which is no alert" % (b["n"], n)
        opened.setdefault(n, e["alert"]["signature_id"])
        if opened[n] != e["alert"]["signature_id"]:
            yield "event %d is of another rule than %d" % (b["n"], n)
        so_far[n] += b["count"]
        if "total" in b and so_far[n] != b["total"]:
            yield "event %d: total %d, its events counted %d" % (b["n"], b["total"], so_far[n])


def check(captures, plain):
    """Several at a time: the same ends meet again, at other times."""
    each = replay(captures, plain, "--set", "alerts.fold=off")
    faults = ["not folded, and still count %d" % e["bongsu"]["count"] for e in each if e["bongsu"]["count"] != 1][:3]
    for way, suppress, args in WAYS:
        alerts = replay(captures, RULES if suppress else plain, *args)
        events = len(alerts)
        faults += ["%s: %s" % (way, fault) for fault in faults_of(alerts)]
        want, got = occurrences(each, suppress), occurrences(alerts, suppress)
        if want != got:
            faults.append("%s: missing %s, too many %s" % (way, dict(want - got), dict(got - want)))
        if len(alerts) > len(each):
            faults.append("%s: %d events of %d occurrences" % (way, len(alerts), len(each)))
    return faults, len(each), events


def table(captures):
    """What folding makes of them, as in rules/README.md."""
    print("| capture | hours | occurrences | alerts | events |\n|---|---|---|---|---|")
    for capture in captures:
        with tempfile.TemporaryDirectory() as folder:
            each = replay([capture], plain_rules(folder), "--set", "alerts.fold=off")
        alerts = replay([capture], RULES)
        assert sum(occurrences(each, True).values()) == sum(occurrences(alerts, True).values()) == len(each)
        times = [e["bongsu"]["ts_ns"] for e in each]
        opened = sum("open" not in e["bongsu"] for e in alerts)
        print("| %s | %.1f | %s | %d | %d |" % (os.path.basename(capture), (max(times) - min(times)) / 3.6e12, format(len(each), ","), opened, len(alerts)))


def main():
    if sys.argv[1:2] == ["--table"]:
        table(sys.argv[2:])
        return
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "**", "*.pcap*"), recursive=True))
    for kind in ("attack", "mixed", "s7comm", "dnp3", "modbus"):
        captures += [p for p in sorted(glob.glob(os.path.join(SHARED, kind, "*.pcap*"))) if os.path.getsize(p) < 2000000]
    captures = [p for p in captures if p.endswith((".pcap", ".pcapng"))]
    passed = failed = folded = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        plain = plain_rules(folder)
        groups = [captures[i:i + TOGETHER] for i in range(0, len(captures), TOGETHER)]
        for group, (faults, each, events) in zip(groups, pool.map(lambda g: check(g, plain), groups)):
            folded += events < each
            passed, failed = passed + (not faults), failed + bool(faults)
            for fault in faults:
                print("FAIL %s …: %s" % (os.path.relpath(group[0], ROOT), fault))
    if not folded:
        print("FAIL nothing was folded anywhere: this shows nothing")
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
