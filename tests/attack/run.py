#!/usr/bin/python3
"""run.py - captures of attacks that lie outside this repository raise the alerts that they should.

Replays ../shared/pcaps/attack/NAME.pcap with the shipped rules; where these are absent, it says so and counts a skip.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps", "attack")
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor")

# capture: what must be told of it, at least, by sid
WANTED = {
    "ndpi__WebattackSQLinj": {1620005},
    "zeek__20171220_smb_at_schedule": {1640007, 1640008},
    "zeek__bruteforce": {1680001},
    "zeek__heartbleed-success": {1610002},
    "zeek__sshguess": {1650001},
    "zeek__vnc-scanner": {1670002},
}


def told(capture):
    """(sids of the alerts, what is wrong)"""
    with tempfile.TemporaryDirectory() as folder:
        eve = os.path.join(folder, "eve.json")
        done = subprocess.run([SENSOR, "--quiet", "-k", "none", "-r", capture, "-S", os.path.join(ROOT, "rules"), "-o", "file:" + eve],
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode not in (0, 5):
            return set(), "status %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")[-500:])
        events = [json.loads(line) for line in open(eve, encoding="utf-8")] if os.path.exists(eve) else []
    return {e["alert"]["signature_id"] for e in events if e["event_type"] == "alert"}, None


def main():
    passed = failed = skipped = 0
    for name, wanted in sorted(WANTED.items()):
        capture = os.path.join(SHARED, name + ".pcap")
        if not os.path.exists(capture):
            print("SKIP %s is not here" % os.path.relpath(capture, ROOT))
            skipped += 1
            continue
        sids, fault = told(capture)
        if fault is None and wanted - sids:
            fault = "not told: %s; told: %s" % (sorted(wanted - sids), sorted(sids))
        passed, failed = passed + (fault is None), failed + (fault is not None)
        if fault is not None:
            print("FAIL %s: %s" % (name, fault))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
