#!/usr/bin/env python3
"""run.py - races: nation, province and three enterprises of the build with ThreadSanitizer, under load from all sides for half a
minute. Any report of ThreadSanitizer is a failure.

What goes on at once: five streams of alerts, a backlog that drains, roll-ups, feeds, readers of the API and of its events, notices
down and answers up, configuration and certificates read again, a child that is revoked, restarts.
usage: tests/tsan/run.py [SECONDS]
"""
import glob
import http.client
import os
import re
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20
os.environ["AGGREGATOR"] = os.path.join(BUILD, "tsan", "bongsu-aggregator")
os.environ["PATIENCE"] = "90"
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "chain"))
import kit  # noqa: E402 (found in that folder, and it reads the environment)

SETTINGS = {"node.sandbox": False, "store.reserve": 1}


class Load:
    """Threads that do something again and again until told to stop; what went wrong in them is kept."""

    def __init__(self):
        self.stop, self.threads, self.wrong, self.turns = threading.Event(), [], [], {}

    def start(self, name, function, pause):
        def go():
            while not self.stop.is_set():
                try:
                    function()
                    self.turns[name] = self.turns.get(name, 0) + 1
                except (OSError, http.client.HTTPException):
                    pass            # it is being restarted
                except AssertionError as e:
                    self.wrong.append("%s: %s" % (name, e))
                self.stop.wait(pause)
        self.threads.append(threading.Thread(target=go))
        self.threads[-1].start()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def reader(port, token, path, seconds=2):
    """One request; of a stream what comes in the first seconds."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        c.request("GET", path, headers={"Authorization": "Bearer " + token})
        r = c.getresponse()
        try:
            r.read(1 << 16) if "events" in path else r.read()
        except TimeoutError:
            pass
        if r.status != 200:
            raise AssertionError("%s: %d" % (path, r.status))
    finally:
        c.close()


def notices(province, firm):
    """One down, and the firm's answer up."""
    issued = province.do("notice", "issue", "--to", firm.org, "--text", "Say what was found.", "--deadline", "4h")
    return re.search(r"N[0-9a-f]{8}-\d{8}-\d{4,}", issued).group(0)


def run(world, load):
    nation, province, firms = world.chain(enterprises=3, settings=SETTINGS)
    tokens = world.path("tokens")
    api = kit.free_port()
    province.configure(api_listen="127.0.0.1:%d" % api, api_tokens=tokens, feed_redis=world.redis("feeds").url())
    token = province.do("token", "--role", "analyst", "--name", "reader").strip()
    province.restart()
    sensors = [firms[0].sensor("one"), firms[0].sensor("two"), firms[1].sensor("three"), firms[2].sensor("four")]
    for i, s in enumerate(sensors):
        load.start("alerts", lambda s=s, i=i: s.emit(40, alert={"severity": 1 + i}), 0.1)
    for path in ("node", "children", "balance", "digests", "flashes", "rollups", "alarms", "notices", "packs"):
        load.start("api", lambda path=path: reader(api, token, "/api/1/" + path), 0.3)
    load.start("api", lambda: reader(api, token, "/metrics"), 0.2)
    for _ in range(3):
        load.start("events", lambda: reader(api, token, "/api/1/events"), 0.1)
    load.start("readyz", lambda: reader(api, token, "/readyz"), 0.2)
    load.start("hup", province.hup, 0.5)
    load.start("hup", firms[0].hup, 0.7)
    load.start("notices", lambda: notices(province, firms[0]), 1)
    load.start("left", lambda: firms[0].do("left", "--since", "1h", "--json"), 1)
    time.sleep(SECONDS / 2)
    firms[2].restart()
    nation.end()                      # a backlog grows, and drains
    time.sleep(SECONDS / 4)
    nation.start()
    time.sleep(SECONDS / 4)
    load.end()
    for tier in (province, nation):
        world.balanced(tier, sum(s.n for s in sensors))
    province.do("enroll", "revoke", firms[2].org)
    province.hup()
    kit.wait_for(lambda: "revoked" in province.log(), what="the revocation is noticed")
    for node in (*firms, province, nation):
        node.end()
    for name in ("alerts", "api", "events", "readyz", "hup", "notices", "left"):
        if load.turns.get(name, 0) < 3:
            raise AssertionError("%s: only %d times, so little was shown" % (name, load.turns.get(name, 0)))
    return sum(s.n for s in sensors)


def reports(folder):
    """Each once, by where it begins."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "tsan.*"))):
        with open(path, errors="replace") as f:
            for report in re.split(r"(?m)^=+$", f.read()):
                what = re.search(r"SUMMARY: (ThreadSanitizer: .*)", report)
                if what:
                    found.setdefault(what.group(1), report.strip())
    return found


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tsan-") as folder:
        os.environ["TSAN_OPTIONS"] = "suppressions=%s log_path=%s history_size=4 second_deadlock_stack=1 exitcode=0" % (
            os.path.join(HERE, "suppressions"), os.path.join(folder, "tsan"))
        world, load = kit.World(folder), Load()
        try:
            events = run(world, load)
            print("ok   %d events through three tiers, %r" % (events, load.turns))
        except AssertionError as e:
            failed += 1
            print("FAIL %s\n%s" % (e, world.logs()))
        finally:
            load.end()
            for p in [*world.nodes.values(), *world.servers.values()]:
                if p.alive():
                    p.kill()
        for wrong in sorted(set(load.wrong))[:10]:
            failed += 1
            print("FAIL " + wrong)
        for report in reports(folder).values():
            failed += 1
            print("FAIL race\n" + report)
        if not failed:
            print("ok   ThreadSanitizer reported nothing")
    print("%d passed, %d failed" % (2 if not failed else 0, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
