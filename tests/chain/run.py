#!/usr/bin/env python3
"""run.py - the chain, tested with real processes on loopback: every test_*.py here, each function test_* in a process
group of its own, some side by side.
usage: tests/chain/run.py [-j N] [-k] [PATTERN …]     PATTERN: part of FILE.FUNCTION; -k keeps the folders
"""
import argparse
import glob
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import kit  # noqa: E402 (found in our folder)

SECONDS = 180  # a test may take; `test_x.seconds = N` says otherwise
PASSED, FAILED, SKIPPED = 0, 1, 77
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def tests(patterns):
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, function in vars(module).items():
            full = "%s.%s" % (module.__name__, name)
            if name.startswith("test_") and callable(function) and any(p in full for p in patterns or [""]):
                yield full, function


class Running:
    """One test in a process group of its own: nothing it started outlives it."""

    def __init__(self, name, function):
        self.name, self.began = name, time.monotonic()
        self.limit = getattr(function, "seconds", SECONDS)
        self.folder = tempfile.mkdtemp(prefix="chain-")
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self.child(function))
        try:
            os.setpgid(self.pid, self.pid)
        except PermissionError:
            pass  # it was quicker

    def child(self, function):
        os.setpgid(0, 0)
        random.seed()  # for ports of its own
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        out = os.open(os.path.join(self.folder, "out"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        world = kit.World(self.folder)
        try:
            function(world)
            return PASSED
        except kit.Skip as e:
            print(e)
            return SKIPPED
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            print(world.logs())
            return FAILED
        finally:
            sys.stdout.flush()

    def ended(self):
        """The result once there is one."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0 and time.monotonic() - self.began < self.limit:
            return None
        result = FAILED if pid == 0 else os.waitstatus_to_exitcode(status)
        with open(os.path.join(self.folder, "out"), "a") as f:
            if pid == 0:
                f.write("no end within %d s\n" % self.limit)
        self.kill()
        return result

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass

    def tell(self, result, keep):
        word = {PASSED: "ok", SKIPPED: "skip"}.get(result, "FAILED")
        with open(os.path.join(self.folder, "out"), errors="replace") as f:
            out = f.read().strip()
        why = " - " + out.splitlines()[-1] if result == SKIPPED and out else ""
        print("%-6s %5.1f s  %s%s" % (word, time.monotonic() - self.began, self.name, why), flush=True)
        if word == "FAILED":
            print("\n".join("    " + line for line in out.splitlines()), flush=True)
        if keep:
            print("    kept: " + self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def stop(number, frame):
    raise SystemExit(1)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("-j", type=int, default=int(os.environ.get("CHAIN_JOBS", "3")))
    args.add_argument("-k", action="store_true")
    args.add_argument("patterns", nargs="*")
    args = args.parse_args()
    for number in STOPPING:
        signal.signal(number, stop)
    waiting, running, results = list(tests(args.patterns)), [], []
    try:
        while waiting or running:
            while waiting and len(running) < args.j:
                running.append(Running(*waiting.pop(0)))
            for r in list(running):
                result = r.ended()
                if result is not None:
                    running.remove(r)
                    results.append(result)
                    r.tell(result, args.k)
            time.sleep(0.05)
    finally:
        for r in running:
            r.kill()
            shutil.rmtree(r.folder, ignore_errors=True)
    passed, skipped = results.count(PASSED), results.count(SKIPPED)
    print("%d passed, %d failed%s" % (passed, len(results) - passed - skipped, ", %d skipped" % skipped if skipped else ""))
    return 0 if results and passed + skipped == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
