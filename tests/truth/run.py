#!/usr/bin/python3
"""run.py - the sensor's PDUs beside those of another dissector, over captures that lie outside this repository.

usage: tests/truth/run.py [--list]      --list prints lines for differences.tsv of what is not in it yet

Reads ../shared/pcaps/GROUP/*.truth.tsv with ../shared/tools/compare_pdus.py; where these are absent, it says so and counts
a skip. Every difference stands in differences.tsv (capture, frame, field, how often, reason); one that is not there
fails, and so does a line that has become untrue. The thresholds are those of the sensor's contract.
"""
import collections
import concurrent.futures
import contextlib
import glob
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared"))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
GROUPS = ["modbus", "s7comm", "s7comm-plus", "dnp3", "mixed"]
PROTOCOLS = {"modbus", "s7comm", "s7comm-plus", "dnp3"}
LIST = os.path.join(HERE, "differences.tsv")
SAID = re.compile(r"  (missing|extra|absent|differs)\s+frame (\d+) \S+ \S+ code \S+ \S+ ?(.*)")


def load_tool():
    path = os.path.join(SHARED, "tools", "compare_pdus.py")
    spec = importlib.util.spec_from_file_location("compare_pdus", path)
    tool = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(tool)
    return tool


def listed():
    """(capture, frame, field) → (count, reason)."""
    found = {}
    with open(LIST, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            if line.startswith("#") or not line.strip():
                continue
            cells = line.rstrip("\n").split("\t")
            if len(cells) != 5 or len(cells[4].strip()) < 10 or cells[4].startswith("?"):
                sys.exit("%s:%d: wants capture, frame, field, count and a reason" % (LIST, n))
            found[(cells[0], int(cells[1]), cells[2])] = (int(cells[3]), cells[4])
    return found


def replay(capture):
    """(status, stderr, path of the PDUs)."""
    out = tempfile.NamedTemporaryFile(suffix=".jsonl", delete=False)
    out.close()
    sensor = os.path.join(BUILD, "asan", "bongsu-sensor")
    command = [sensor, "-k", "none", "--quiet", "-S", os.path.join(ROOT, "rules"), "-o", "file:/dev/null", "-r", capture, "--pdus", out.name]
    done = subprocess.run(command, capture_output=True, timeout=600, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr.decode("utf-8", "replace"), out.name


def compare(tool, capture, pdus):
    """(numbers, Counter of (frame, field))."""
    truth = list(tool.truth_rows(capture[:capture.rindex(".pcap")] + ".truth.tsv", PROTOCOLS))
    ours = tool.sensor_rows(pdus, PROTOCOLS)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        numbers = tool.compare(truth, ours, 10**9)
    found = collections.Counter()
    for line in said.getvalue().splitlines():
        what, frame, more = SAID.fullmatch(line).groups()
        field = more.partition(":")[0].strip() if what in ("absent", "differs") else what
        found[(int(frame), field)] += 1
    return numbers, found


def main():
    if not os.path.isdir(os.path.join(SHARED, "pcaps")):
        print("SKIP %s is not here: nothing to compare with" % os.path.join(os.path.relpath(SHARED, ROOT), "pcaps"))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    tool, known = load_tool(), listed()
    captures = [p for g in GROUPS for p in sorted(glob.glob(os.path.join(SHARED, "pcaps", g, "*.pcap*")))
                if os.path.exists(p[:p.rindex(".pcap")] + ".truth.tsv") and not p.endswith(".opts")]
    total, used, faults, passed, to_list = collections.Counter(), set(), [], 0, []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for capture, (status, stderr, pdus) in zip(captures, pool.map(replay, captures)):
            name = os.path.relpath(capture, os.path.join(SHARED, "pcaps"))
            before = len(faults)
            if status not in (0, 5) or "Sanitizer" in stderr or "runtime error" in stderr:
                faults.append("%s: status %d: %s" % (name, status, stderr[-1500:]))
                os.unlink(pdus)
                continue
            numbers, found = compare(tool, capture, pdus)
            os.unlink(pdus)
            total.update(numbers)
            for (frame, field), count in sorted(found.items()):
                key = (name, frame, field)
                used.add(key)
                if known.get(key, (0,))[0] != count:
                    faults.append("%s frame %d: %s, %d times, listed %d" % (name, frame, field, count, known.get(key, (0,))[0]))
                    to_list.append("%s\t%d\t%s\t%d\t?" % (name, frame, field, count))
            passed += len(faults) == before
    if "--list" in sys.argv:
        print("\n".join(to_list))
        return 0
    stale = sorted(set(known) - used)
    faults += ["stale: %s frame %d %s is the same now: take it out of the list" % key for key in stale]
    percent = lambda a, b: 100.0 * a / b if b else 0.0
    marks = [("PDUs the same", percent(total["same"], total["total"] + total["extra"]), 99.5),
             ("in the same frame", percent(total["frame"], total["same"]), 99.5),
             ("fields the same", percent(total["field_same"], total["fields"]), 99.0),
             ("rows without a listed difference", 100 - percent(len(known), total["total"]), 99.0)]
    for what, value, least in marks:
        print("%-34s %8.3f %% (at least %.1f)" % (what, value, least))
        if value < least:
            faults.append("%s: %.3f %%, wanted %.1f" % (what, value, least))
        else:
            passed += 1
    print("%d captures, %d PDUs, %d fields, %d differences listed" % (len(captures), total["total"], total["fields"], len(known)))
    print("\n".join("FAIL %s" % f for f in faults[:60]))
    print("%d passed, %d failed" % (passed, len(faults)))
    return len(faults) > 0


if __name__ == "__main__":
    sys.exit(main())
