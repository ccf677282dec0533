"""harm.py - for tests that do harm: a chain of sanitized aggregators that can be told where to die, looked into through their
stores, and the sum that has to be right afterwards. Whatever a sanitizer reports fails the test."""
import glob
import json
import os
import signal
import sqlite3
import time

import kit
from kit import equal, wait_for  # noqa: F401 (for the tests)

PATIENCE = 90  # s that anything may take that has to come, on a loaded machine


def check(good, what, seen=""):
    if not good:
        raise AssertionError("%s: %s" % (what, str(seen)[:3000]))


def soon(condition, what, seconds=PATIENCE, seen=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "this did not come: " + what, seen())
        time.sleep(0.05)


class Tier(kit.Node):
    """A node whose process is the sanitized one, started by @wrap; children find it at @place."""

    def __init__(self, world, name, tier, wrap=(), place="127.0.0.1", **more):
        settings = {"node.sandbox": False, "digest.flash_hour": 10000, "chain.drain": 1000, "store.reserve": 1}
        settings.update(more.pop("settings", {}))
        self.place = place
        super().__init__(world, name, tier, settings=settings, **more)
        self.binary, self.wrap = kit.FAULTS, list(wrap)
        self.env = {"ASAN_OPTIONS": "detect_leaks=0:log_path=" + world.path("sanitizer." + name),
                    "UBSAN_OPTIONS": "print_stacktrace=1:log_path=" + world.path("sanitizer." + name)}

    def configure(self, **changes):
        if "chain.listen" in self.settings:
            self.settings["chain.listen"] = "%s:%d" % (self.place, self.port)
        super().configure(**changes)
        with open(self.config) as f:
            tree = json.load(f)
        for parent, (node, _) in zip(tree["parents"], self.parents):
            parent["url"] = "https://%s:%d" % (node.place, node.port)
        with open(self.config, "w") as f:
            json.dump(tree, f, indent=1)

    def spawn(self, args, **more):
        super().spawn(self.wrap + args, **more)

    def launch(self, fault=None):
        """Starts it and waits until it is up or gone. Returns how many seconds that took."""
        began = time.monotonic()
        env = dict(os.environ, **self.env)
        env["ASAN_OPTIONS"] = env["ASAN_OPTIONS"].replace("detect_leaks=0", "detect_leaks=1")
        if fault:
            env["BONGSU_FAULT"] = fault
        self.spawn([self.binary, "-c", self.config, "run"], env=env, cwd=kit.ROOT)
        soon(lambda: " is up" in self.log() or not self.alive(), self.name + " is up")
        check(self.alive() or fault, self.name + " starts", self.log())
        return time.monotonic() - began

    def start(self, fault=None, wait=True):
        self.launch(fault)
        return self

    def rows(self, query, *values):
        """Straight from the store."""
        db = sqlite3.connect("file:%s?mode=ro" % os.path.join(self.folder, "chain.db"), uri=True, timeout=20)
        try:
            return db.execute(query, values).fetchall()
        except sqlite3.Error:
            return []
        finally:
            db.close()

    def number(self, query, *values):
        rows = self.rows(query, *values)
        return rows[0][0] or 0 if rows else 0

    def held_of(self, child):
        """What a parent holds of a child: events, alerts, other, lost."""
        rows = self.rows("SELECT events, alerts, other, lost FROM child WHERE org = ?", child.org)
        return rows[0] if rows else (0, 0, 0, 0)

    def sums(self):
        """By day, of all that count here: events, alerts, other, lost."""
        rows = self.rows("SELECT sum(events), sum(alerts), sum(other) FROM period WHERE res = 86400")
        lost = self.number("SELECT sum(events) FROM period_lost WHERE res = 86400")
        return tuple(v or 0 for v in rows[0]) + (lost,) if rows else (0, 0, 0, 0)

    def lost(self):
        return {reason: events for reason, events in
                self.rows("SELECT reason, sum(events) FROM period_lost WHERE res = 86400 GROUP BY reason") if events}

    def alarm(self, code):
        """The texts of one kind."""
        return [text for text, in self.rows("SELECT text FROM alarm WHERE code = ? ORDER BY id", code)]

    def flashes(self):
        return self.number("SELECT count(*) FROM flash")

    def ledger(self, kind):
        return [json.loads(what) for what, in self.rows("SELECT what FROM ledger WHERE kind = ? ORDER BY n", kind)]

    def verify(self):
        """Exit status and words of `verify`."""
        status, out, err = self.run("verify")
        return status, out + err


class Feeder(kit.Sensor):
    """A sensor's stream that knows what it has told: each seventh event is no alert, some are grave and of a new kind."""

    def __init__(self, redis, name="plant", epoch=1):
        super().__init__(redis, name, epoch)
        self.told = self.alerts = self.kinds = 0

    def put(self, text, kind="alert", counts=True, client=None):
        """One event as it is; one that @counts not is no alert that can be read."""
        self.n += 1
        self.told += 1
        self.alerts += counts and kind == "alert"
        (client or self.redis.ask)("XADD", self.key, "%d-%d" % (self.epoch, self.n), "e", kind, "eve", text)

    def feed(self, events, flash=False, **over):
        client = kit.Client(self.redis.socket)
        client("SADD", "bongsu:sensors", self.name)
        for i in range(events):
            n = self.n + 1
            if flash and i == 0:
                self.kinds += 1
                self.put(self.eve(n, "alert", alert={"severity": 1}, bongsu={"rule": "%s-%d" % (self.name, self.kinds)}), client=client)
            elif n % 7 == 6:
                self.put(self.eve(n, "stats"), "stats", client=client)
            else:
                self.put(self.eve(n, "alert", **over), client=client)
        client.close()

    def restart(self):
        self.epoch += 1
        self.n = 0


class Rig:
    """Nation, province, enterprise; a Redis with so many sensors."""

    def __init__(self, world, sensors=1, redis=None, start=True, nation=None, province=None, enterprise=None):
        self.world = world
        self.redis = redis or world.redis("plant", "--appendonly", "yes", "--appendfsync", "always")
        self.nation = self.tier("nation", "nation", None, **nation or {})
        self.province = self.tier("province", "province", self.nation, region="370000", **province or {})
        self.enterprise = self.tier("enterprise", "enterprise", self.province, region="370500", sector="C26", redis=self.redis,
                                    **enterprise or {})
        self.tiers = [self.nation, self.province, self.enterprise]
        self.feeders = [Feeder(self.redis, "plant-%d" % i) for i in range(sensors)]
        if start:
            self.start()

    def tier(self, name, tier, parent, **more):
        t = self.world.nodes[name] = Tier(self.world, name, tier, **more)
        if parent:
            t.add_parent(parent)
        if tier != "enterprise":
            t.make_authority()
        return t

    def start(self):
        for t in self.tiers:
            t.start()

    def told(self):
        return sum(f.told for f in self.feeders)

    def at_province(self):
        return self.province.held_of(self.enterprise)[0] == self.told()

    def whole(self):
        """Everything told is counted once, here and at the nation, and what hurries has arrived."""
        held, top = self.province.held_of(self.enterprise), self.nation.sums()
        return held[0] == self.told() and held == self.province.sums() == top and \
            self.nation.flashes() == sum(f.kinds for f in self.feeders)

    def where(self):
        return "told %d, flashes %d; province holds %s and sums %s, nation sums %s, flashes %d %d, lost %s" % (
            self.told(), sum(f.kinds for f in self.feeders), self.province.held_of(self.enterprise), self.province.sums(),
            self.nation.sums(), self.province.flashes(), self.nation.flashes(), self.nation.lost())

    def settles(self, what, lost=None, seconds=PATIENCE, anything=False):
        """It balances in time, nothing is unexplained, and just so much is lost."""
        soon(self.whole, what + ": every event once at every tier", seconds, self.where)
        events, *parts = self.nation.sums()
        equal(events, sum(parts), what + ": nothing is unexplained")
        anything or equal(self.nation.lost(), lost or {}, what + ": lost with a reason")
        print("%s %s: %s" % (time.strftime("%H:%M:%S"), what, self.where()))

    def ends(self, whole=True):
        """In order; ledgers whole; and no sanitizer has anything to say."""
        for t in self.tiers:
            if t.alive():
                equal(t.end(signal.SIGTERM, PATIENCE), 0, "exit status of %s: %s" % (t.name, t.log()[-3000:]))
            if whole:
                status, said = t.verify()
                check(status == 0 and "whole" in said, "the ledger of %s is whole" % t.name, said)
        found = glob.glob(self.world.path("sanitizer.*"))
        check(not found, "no sanitizer has anything to say", "".join(open(f, errors="replace").read() for f in found))
