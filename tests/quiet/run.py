#!/usr/bin/python3
"""run.py - ordinary traffic gives no alert above low, and no capture at all upsets the sensor.

Replays pcaps/real/ (polling between real programs) and, where it is present, ../shared/pcaps/it (office traffic): nothing above
low. Replays everything else of ../shared/pcaps with the sanitized sensor: exit status 0 or 5, and no word of a sanitizer.
"""
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps")
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "asan", "bongsu-sensor")
COMPARED = ("modbus", "s7comm", "s7comm-plus", "dnp3", "mixed")          # tests/truth replays those


def replay(capture):
    """What is wrong with a capture's run, in words."""
    quiet = os.path.join("pcaps", "real") in capture or os.path.join("pcaps", "it") in capture
    with tempfile.TemporaryDirectory() as folder:
        eve, pdus = os.path.join(folder, "eve.json"), os.path.join(folder, "pdus.jsonl")
        done = subprocess.run([SENSOR, "-k", "none", "-r", capture, "-S", os.path.join(ROOT, "rules"), "-o", "file:" + eve, "--pdus", pdus],
                              capture_output=True, timeout=600, stdin=subprocess.DEVNULL)
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode not in (0, 5) or "Sanitizer" in said or "runtime error" in said:
            return ["status %d: %s" % (done.returncode, said[-1500:])]
        events = [json.loads(line) for line in open(eve, encoding="utf-8")] if os.path.exists(eve) else []
        seen = os.path.getsize(pdus) if os.path.exists(pdus) else 0
    if os.path.join("pcaps", "real") in capture and not seen:
        return ["no PDU in it: silence shows nothing"]
    loud = [e for e in events if e["event_type"] == "alert" and e["alert"]["severity"] < 4]
    return ["alert above low: %s" % json.dumps(e)[:600] for e in loud[:3]] if quiet else []


def main():
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "real", "*.pcap*")))
    here, skipped = len(captures), 0
    if os.path.isdir(SHARED):
        captures += [p for p in sorted(glob.glob(os.path.join(SHARED, "*", "*.pcap*")))
                     if not p.endswith(".opts") and os.path.basename(os.path.dirname(p)) not in COMPARED]
    else:
        print("SKIP %s is not here: office traffic is not replayed" % os.path.relpath(SHARED, ROOT))
        skipped = 1
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for capture, faults in zip(captures, pool.map(replay, captures)):
            failed += bool(faults)
            for fault in faults:
                print("FAIL %s: %s" % (os.path.relpath(capture, ROOT), fault))
    if here == 0:
        print("FAIL pcaps/real/ holds no capture")
        failed += 1
    print("%d passed, %d failed%s" % (len(captures) - failed, failed, ", %d skipped" % skipped if skipped else ""))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
