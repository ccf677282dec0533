#!/usr/bin/python3
"""run.py - every fuzz target for a while, two at a time.

FUZZ_SECONDS: wall time for all together (default 60; `make fuzz` takes an hour). What is found to be of use is kept in
$BUILD/corpus and used again; an input that breaks something stays in $BUILD/corpus and fails the run.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
LONGEST = {"fuzz_savefile": 65536, "fuzz_packet": 16384, "fuzz_sensor": 16384, "fuzz_contacts": 16384, "fuzz_http": 16384, "fuzz_eve": 16384, "fuzz_inflate": 65536}


def fuzz(name, seconds):
    """Returns (failed, what to say)."""
    seeds, corpus = (os.path.join(BUILD, kind, name) for kind in ("seeds", "corpus"))
    os.makedirs(seeds, exist_ok=True)
    os.makedirs(corpus, exist_ok=True)
    command = [os.path.join(BUILD, "clang", "fuzz", name), "-max_total_time=%d" % seconds, "-timeout=10", "-rss_limit_mb=2048",
               "-print_final_stats=1", "-max_len=%d" % LONGEST.get(name, 8192),
               "-artifact_prefix=%s/%s-" % (os.path.join(BUILD, "corpus"), name), corpus, seeds]
    done = subprocess.run(command, capture_output=True, timeout=seconds + 120, cwd=ROOT)
    text = done.stderr.decode("utf-8", "replace")
    runs = re.search(r"number_of_executed_units: *(\d+)", text)
    covered = re.findall(r"cov: (\d+)", text)
    count = len(os.listdir(seeds))
    if done.returncode != 0:
        return True, "FAIL %s: status %d\n%s" % (name, done.returncode, "\n".join(
            line for line in text.splitlines() if not re.match(r"#\d+|\s*NEW_FUNC|stat::|INFO:", line))[-5000:])
    if count == 0 or runs is None or int(runs.group(1)) < count:
        return True, "FAIL %s: %d seeds, %s runs: that shows nothing" % (name, count, runs and runs.group(1))
    return False, "ok   %s: %s runs from %d seeds, %s edges" % (name, runs.group(1), count, covered[-1] if covered else "?")


def main():
    sources = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(HERE, "fuzz_*.c")))
    subprocess.run([sys.executable, os.path.join(HERE, "seeds.py"), os.path.join(BUILD, "seeds")], check=True)
    seconds, failed = max(5, SECONDS * 2 // len(sources)), 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for bad, said in pool.map(lambda name: fuzz(name, seconds), sources):
            failed += bad
            print(said, flush=True)
    print("%d passed, %d failed" % (len(sources) - failed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
