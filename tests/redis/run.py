#!/usr/bin/env python3
"""Runs every tests/redis/test_*.py against the sensor of $SENSOR (or the argument) and adds up."""
import glob
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
sensor = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SENSOR", "build/bongsu-sensor"))
passed = failed = skipped = 0
for test in sorted(glob.glob(os.path.join(here, "test_*.py"))):
    name = os.path.basename(test)
    print("== " + name, flush=True)
    try:
        end = subprocess.run([sys.executable, test, sensor], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", timeout=300)
        out, status = end.stdout, end.returncode
    except subprocess.TimeoutExpired as e:
        out, status = (e.stdout or b"").decode(errors="replace") + "\nnot ok - timed out", 1
    lines = out.splitlines()
    good = sum(bool(re.match(r"ok \d+ ", l)) and "# SKIP" not in l for l in lines)
    bad = sum(l.startswith("not ok") for l in lines)
    left_out = [l for l in lines if re.match(r"ok \d+ .*# SKIP", l)]
    if status != 0 and bad == 0 or "1..%d" % (good + bad + len(left_out)) not in lines and bad == 0:
        bad += 1  # it broke off
    passed, failed, skipped = passed + good, failed + bad, skipped + len(left_out)
    for l in left_out:
        print("skip: %s: %s" % (name, l))
    if bad:
        print(out)
print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""))
sys.exit(1 if failed or not passed else 0)
