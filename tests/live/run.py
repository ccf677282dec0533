#!/usr/bin/python3
"""run.py - the sensor on a live interface: a veth pair in a network namespace of its own, tcpreplay at the other end.

The demo's capture at its own speed must give the alerts that -r gives, with no packet dropped; a canary must come through; a
mirror that falls silent must be told of; USR2 reloads and TERM stops. Where namespaces are refused or tcpreplay is not there, that
is a counted skip.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SENSOR = os.path.join(BUILD, "bongsu-sensor")
CAPTURE = os.path.join(ROOT, "pcaps", "demo", "plant.pcap")
RULES = os.path.join(ROOT, "rules")
UNSHARE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(more)[-3000:]), flush=True)
    return ok


def skip(why):
    print("SKIP live capture: %s" % why)
    print("%d passed, 0 failed, 1 skipped" % len(results))
    sys.exit(0)


def events(path):
    """What stands in an EVE file, the line that is being written left out."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def alerts(lines):
    """Alerts without what a clock or a run decides; a verdict that comes later is its own event. What is held is told at the end."""
    keep = lambda e: json.dumps([e["event_type"], e.get("src_ip"), e.get("src_port"), e.get("dest_ip"), e.get("dest_port"),
                                 e.get("alert", {}).get("signature_id"), e["bongsu"].get("matched"),
                                 e["bongsu"].get("verdict", {}).get("outcome")], sort_keys=True)
    return collections.Counter(keep(e) for e in lines if e["event_type"] == "verdict" or
                               (e["event_type"] == "alert" and e["bongsu"].get("suppressed") != e["bongsu"]["count"]))


def occurrences(lines):
    sums = collections.Counter()
    for e in lines:
        if e["event_type"] == "alert":
            sums[e["alert"]["signature_id"]] += e["bongsu"]["count"]
    return sums


def wait_for(test, seconds):
    end = time.time() + seconds
    while time.time() < end:
        if test():
            return True
        time.sleep(0.1)
    return test()


def sh(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True)


def inside(folder):
    """In the namespace: m0 is where the switch mirrors from, m1 is the sensor's port."""
    made = sh("set -e; echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 || :; ip link set lo up;"
              "ip link add m0 type veth peer name m1; ip link set m0 up; ip link set m1 up promisc on")
    if made.returncode != 0:
        skip(made.stderr.strip())
    replayed, live = (os.path.join(folder, name) for name in ("replayed.json", "live.json"))
    done = subprocess.run([SENSOR, "--quiet", "-r", CAPTURE, "-S", RULES, "-o", "file:" + replayed], capture_output=True, text=True)
    check("replays for comparison", done.returncode == 0, done.stderr)
    kept = os.path.join(folder, "evidence")
    os.mkdir(kept)
    for name, days in (("5-1.pcap", 91), ("5-2.pcap", 89)):
        open(os.path.join(kept, name), "wb").close()
        os.utime(os.path.join(kept, name), (time.time() - days * 86400,) * 2)
    log = open(os.path.join(folder, "log"), "w+", encoding="utf-8")
    sensor = subprocess.Popen([SENSOR, "-i", "m1", "-S", RULES, "-o", "file:" + live, "--events", "stats",
                               "--set", "stats.interval=1", "--set", "mirror.silent=3", "--set", "canary.interval=2", "--set", "spool.folder=" + folder, "--set", "evidence.folder=" + kept],
                              stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    said = lambda: open(log.name, encoding="utf-8").read()
    try:
        if check("starts", wait_for(lambda: any(e["event_type"] in ("canary", "stats") for e in events(live)) or
                                    sensor.poll() is not None, 15) and sensor.poll() is None, said()):
            watch(sensor, live, replayed, said)
            check("captures older than 90 days are gone", "5-1.pcap" not in os.listdir(kept) and "5-2.pcap" in os.listdir(kept), os.listdir(kept))
            os.remove(os.path.join(kept, "5-2.pcap"))
            prove(live + ".1", kept)
    finally:
        if sensor.poll() is None:
            sensor.kill()
        sensor.wait()
    learns(folder)


def learns(folder):
    """What is learned from the wire for a while is what is learned from the capture, but for times and rates."""
    plain = lambda text: [re.sub(r" +#.*", "", line) for line in text.splitlines() if line[:1] != "#" and " rate:" not in line]
    want = subprocess.run([SENSOR, "learn", "--quiet", "-r", CAPTURE], capture_output=True, text=True).stdout
    site, log = os.path.join(folder, "site.yaml"), open(os.path.join(folder, "learn.log"), "w+", encoding="utf-8")
    said = lambda: open(log.name, encoding="utf-8").read()
    learner = subprocess.Popen([SENSOR, "learn", "-i", "m1", "--for", "6s", "-o", site], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: "seccomp" in said() or learner.poll() is not None, 15)
        sh("tcpreplay -q -t -i m0 %s" % CAPTURE)
        check("learning ends by itself, status 0", learner.wait(60) == 0, said())
    finally:
        if learner.poll() is None:
            learner.kill()
            learner.wait()
    with open(site, encoding="utf-8") as f:
        got = f.read()
    check("what is learned live is what the capture teaches", len(plain(want)) > 20 and plain(got) == plain(want), got)


def watch(sensor, live, replayed, said):
    check("a canary comes through", wait_for(lambda: any(e["event_type"] == "canary" for e in events(live)), 8), said())
    with open("/proc/%d/status" % sensor.pid, encoding="utf-8") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    check("privileges are dropped", int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1", status["CapEff"])
    sent = sh("tcpreplay -q -i m0 %s" % CAPTURE)
    if not check("tcpreplay sends the capture at its own speed", sent.returncode == 0, sent.stderr):
        return
    want = alerts(events(replayed))
    check("the replay has alerts to compare with", sum(want.values()) > 5, want)
    wait_for(lambda: alerts(events(live)) == want, 8)
    got = alerts(events(live))
    check("live alerts are those of the replay", got == want, "missing %s, extra %s" % (want - got, got - want))
    stats = [e["stats"]["capture"] for e in events(live) if e["event_type"] == "stats"]
    check("the kernel dropped nothing", stats and stats[-1]["kernel_drops"] == 0, stats[-1:])
    silent = lambda: [e for e in events(live) if e["event_type"] == "anomaly" and "silent" in json.dumps(e["anomaly"])]
    check("a silent mirror is told of", wait_for(lambda: silent(), 10), said())
    check("event numbers have no holes", [e["bongsu"]["n"] for e in events(live)] == list(range(1, len(events(live)) + 1)))
    sensor.send_signal(signal.SIGUSR2)
    check("rules are read again on USR2", wait_for(lambda: "rules" in said().lower(), 5), said())
    moved = live + ".1"
    os.rename(live, moved)
    sensor.send_signal(signal.SIGHUP)
    check("files are opened again on HUP", wait_for(lambda: os.path.exists(live), 5), said())
    sensor.send_signal(signal.SIGTERM)
    try:
        check("TERM stops it, status 0", sensor.wait(20) == 0, said())
        both = occurrences(events(moved)) + occurrences(events(live))
        check("what was held is told then: every occurrence is", both == occurrences(events(replayed)), both)
    except subprocess.TimeoutExpired:
        check("TERM stops it, status 0", False, "still there after 20 s")


def prove(live, kept):
    """The packets of each alert from high up were written, and give it again."""
    high = [e for e in events(live) if e["event_type"] == "alert" and e["alert"]["severity"] <= 2]
    named = sorted(e["bongsu"].get("evidence", {}).get("slice", "none") for e in high)
    check("alerts from high up name the captures that are there", high and named == sorted(os.path.join(kept, name) for name in os.listdir(kept)), named)
    for alert in high:
        done = subprocess.run([SENSOR, "--quiet", "-r", alert["bongsu"]["evidence"]["slice"], "-S", RULES, "-o", "-"], capture_output=True, text=True)
        again = [json.loads(line) for line in done.stdout.splitlines()]
        said = lambda e: [e["timestamp"], e["src_ip"], e["dest_ip"], e["alert"]["signature_id"], e["bongsu"]["matched"]]
        check("replayed: %s" % alert["alert"]["signature"], said(alert) in [said(e) for e in again if e["event_type"] == "alert"], done)


def main():
    if len(sys.argv) == 3:
        inside(sys.argv[2])
        print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
        return not all(results)
    if shutil.which("tcpreplay") is None:
        skip("no tcpreplay")
    tried = subprocess.run(UNSHARE + ["true"], capture_output=True, text=True)
    if tried.returncode != 0:
        skip(tried.stderr.strip())
    with tempfile.TemporaryDirectory(prefix="bongsu-live-") as folder:
        return subprocess.run(UNSHARE + [sys.executable, os.path.abspath(__file__), "inside", folder], timeout=300).returncode


if __name__ == "__main__":
    sys.exit(main())
