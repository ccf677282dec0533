"""kit.py - a chain of real processes for one test: redis-servers, aggregators of any tier, sensors' streams.

A test is a function test_NAME(world) in a test_*.py beside this file; run.py gives each a World of its own, in a process
group of its own that is killed afterwards. `world.chain()` is nation, province and enterprises, running; `world.node()`
makes one node. Settings are those of the configuration, by their full names: settings={"digest.window": 2}.

  nation, province, (a, b) = world.chain(enterprises=2)
  s = a.sensor("plant")             # writes bongsu:alerts:{plant} as a sensor does
  s.emit(100)
  world.balanced(nation, 100)       # waits; checks that nothing is unexplained
"""
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from resp import Client, Error  # noqa: E402 (found beside our folder)

BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
AGGREGATOR = os.environ.get("AGGREGATOR", os.path.join(BUILD, "bongsu-aggregator"))
FAULTS = os.environ.get("FAULTS", os.path.join(BUILD, "asan", "bongsu-aggregator"))  # dies where BONGSU_FAULT says
SENSOR = os.environ.get("SENSOR", os.path.join(BUILD, "bongsu-sensor"))
PATIENCE = float(os.environ.get("PATIENCE", "30"))  # s that a condition may take; nothing waits longer than it must

QUICK = {"digest.window": 1, "digest.beat": 1, "chain.window_every": 1, "chain.rollup_again": 1}
RULES = {  # two rules that ship, by their ids: one below `high`, one critical
    "low": "7af3a90f-3591-485b-ae75-866445afd325",
    "read": "40e987bd-66c9-4ea1-a1d7-8024f0fb996d",
}


class Skip(Exception):
    """The machine refuses what the test needs."""


def wait_for(condition, seconds=None, what=None):
    """The condition's first true value; AssertionError if there is none in time."""
    end = time.monotonic() + (PATIENCE if seconds is None else seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("this did not come: %s (last: %r)" % (what or condition, value))
        time.sleep(0.05)


def equal(seen, wanted, what=""):
    if seen != wanted:
        raise AssertionError("%s: %r, wanted %r" % (what, seen, wanted))


def free_port():
    """Below those that the system gives to outgoing connections, so that it is still free at a restart."""
    for _ in range(1000):
        port = random.randrange(10240, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Skip("no free port")


def run(args, timeout=60, stdin=None, **more):
    """Exit status, stdout, stderr of a program that must end."""
    more = {"text": True, "errors": "replace", **more}
    end = subprocess.run(args, input=stdin, capture_output=True, timeout=timeout, **more)
    return end.returncode, end.stdout, end.stderr


class Process:
    """Something that runs until stopped; its output goes to a file."""

    def __init__(self, log):
        self.log_path, self.child = log, None

    def spawn(self, args, **more):
        with open(self.log_path, "ab") as log:
            self.since = log.tell()
            self.child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)

    def log(self, whole=False):
        """What was said since the last start."""
        with open(self.log_path, "rb") as f:
            f.seek(0 if whole else self.since)
            return f.read().decode(errors="replace")

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def end(self, how=signal.SIGTERM, seconds=20):
        """Stops it and returns its exit status."""
        if self.alive():
            self.child.send_signal(how)
        return self.child.wait(seconds)

    def kill(self):
        return self.end(signal.SIGKILL)


class Redis(Process):
    """A server of our own behind a Unix socket; `options` as on redis-server's command line."""

    def __init__(self, folder, *options):
        os.makedirs(folder, exist_ok=True)
        super().__init__(os.path.join(folder, "log"))
        self.folder, self.options = folder, options
        self.socket = os.path.join(folder, "s")
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.spawn(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--save", "",
                    *self.options])
        wait_for(self.answers, what="redis-server: " + self.log_path)

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except (OSError, Error):
            return False

    def url(self):
        return "redis+unix://" + self.socket

    def ask(self, *words):
        client = Client(self.socket)
        try:
            return client(*words)
        finally:
            client.close()

    def feed(self, kind):
        """What an aggregator wrote to bongsu:feed:{KIND}: (origin, object) in order."""
        rows = self.ask("XRANGE", "bongsu:feed:{%s}" % kind, "-", "+")
        return [(f[1], json.loads(f[3])) for _, f in rows]


class Sensor:
    """Writes a stream as the contract says: explicit ids, n without holes."""

    def __init__(self, redis, name, epoch=None):
        self.redis, self.name, self.n = redis, name, 0
        self.epoch = int(time.time()) if epoch is None else epoch
        self.key = "bongsu:alerts:{%s}" % name

    def eve(self, n, kind, **over):
        """One event; `over` replaces members, those of alert and bongsu member by member."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%06d+0000" % (now % 1 * 1e6)
        event = {"timestamp": stamp, "event_type": kind, "host": self.name, "src_ip": "10.9.0.6", "src_port": 41100,
                 "dest_ip": "10.9.0.20", "dest_port": 102, "proto": "TCP", "app_proto": "s7comm",
                 "alert": {"action": "allowed", "gid": 1, "signature_id": 1150101, "rev": 1, "signature": "made by a test",
                           "category": "ics-command", "severity": 4, "metadata": {"mitre_technique_id": ["T0886"]}},
                 "bongsu": {"epoch": self.epoch, "n": n, "ts_ns": int(now * 1e9), "rule": RULES["low"], "rule_rev": 1,
                            "verb": "identify", "changes_state": False, "confidence": 95, "count": 1, "total": 1,
                            "verdict": {"outcome": "accepted", "latency_ms": 12.0}}}
        if kind != "alert":
            del event["alert"]
        for name, value in over.items():
            if isinstance(value, dict) and name in event:
                event[name].update(value)
            else:
                event[name] = value
        return json.dumps(event, separators=(",", ":"))

    def emit(self, count=1, kind="alert", **over):
        """So many more events; returns all so far. A Redis that is away is an OSError."""
        commands = [("SADD", "bongsu:sensors", self.name)]
        for n in range(self.n + 1, self.n + count + 1):
            commands.append(("XADD", self.key, "%d-%d" % (self.epoch, n), "e", kind, "eve", self.eve(n, kind, **over)))
        client = Client(self.redis.socket)
        replies = client.many(commands)
        client.close()
        for reply in replies:
            if isinstance(reply, Error):
                raise reply
        self.n += count
        return self.n

    def skip(self, count):
        """Events that were trimmed away before anybody read them."""
        self.n += count


class Node(Process):
    """One aggregator: its folder, configuration and process."""

    def __init__(self, world, name, tier, region="", sector="", redis=None, feed=None, listen=None, settings=None):
        self.world, self.name, self.tier, self.region, self.sector = world, name, tier, region, sector
        self.folder = world.path(name)
        os.makedirs(self.folder, exist_ok=True)
        super().__init__(world.path(name + ".log"))
        self.config, self.org, self.parents = world.path(name + ".yaml"), None, []
        self.redis, self.feeds, self.binary, self.env = redis, feed, AGGREGATOR, {}
        self.settings = {"node.folder": self.folder, **QUICK}
        if redis:
            self.settings["intake.redis"] = redis.url()
        if feed:
            self.settings["feed.redis"] = feed.url()
        if listen if listen is not None else tier != "enterprise":
            self.port, self.enrol_port = free_port(), free_port()
            self.settings["chain.listen"] = "127.0.0.1:%d" % self.port
            self.settings["chain.enrol"] = "127.0.0.1:%d" % self.enrol_port
        self.settings.update(settings or {})
        self.configure()

    # --- configuration -------------------------------------------------------------------

    def configure(self, **changes):
        """Writes the configuration; changes by full name with _ for the dot: digest_window=2, None takes one away."""
        for name, value in changes.items():
            section, rest = name.split("_", 1)
            self.settings[section + "." + rest] = value
        tree = {}
        for name, value in self.settings.items():
            if value is not None:
                section, rest = name.split(".", 1)
                tree.setdefault(section, {})[rest] = value
        tree["parents"] = [dict({"url": "https://127.0.0.1:%d" % p.port, "org": p.org}, **how) for p, how in self.parents]
        with open(self.config, "w") as f:
            json.dump(tree, f, indent=1)  # JSON is YAML
            f.write("\n")

    def add_parent(self, parent, token=False, days=None, seconds=None, **how):
        """Enrols here, for days or seconds; `how`: level, link, sector, region, severity of the link."""
        place = ["--tier", self.tier, "--region", self.region, "--sector", self.sector]
        place += ["--days", str(days)] if days else ["--seconds", str(seconds)] if seconds else []
        if token:
            ticket = parent.do("enroll", "token", *place).strip()
            self.do("enroll", "join", "https://127.0.0.1:%d" % parent.enrol_port, ticket)
        else:
            request = self.do("enroll", "request")
            self.do("enroll", "take", stdin=parent.do("enroll", "sign", *place, stdin=request))
        self.parents.append((parent, how))
        self.learn_org()
        self.configure()

    def make_authority(self):
        self.do("enroll", "authority", "--tier", self.tier, "--region", self.region, "--sector", self.sector,
                "--host", "127.0.0.1")
        self.learn_org()

    def learn_org(self):
        with open(os.path.join(self.folder, "org")) as f:
            self.org = f.read().strip()

    # --- life ----------------------------------------------------------------------------

    def start(self, fault=None, wait=True):
        """@fault: a point of aggregator/fault.h to die at, in the sanitized build."""
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **self.env)  # the sandbox is none for a search of leaks
        if fault:
            env.update(BONGSU_FAULT=fault)
        self.spawn([FAULTS if fault else self.binary, "-c", self.config, "run"], env=env, cwd=ROOT)
        if wait:
            wait_for(lambda: "is up" in self.log() or not self.alive(), what=self.name + " is up")
            if not self.alive() and not fault:
                raise AssertionError("%s did not start: %s" % (self.name, self.log()))
        return self

    def stop(self):
        equal(self.end(), 0, "exit status of " + self.name)

    def restart(self):
        self.stop()
        return self.start()

    def hup(self):
        self.child.send_signal(signal.SIGHUP)

    # --- asking --------------------------------------------------------------------------

    def run(self, *args, stdin=None, timeout=60):
        return run([self.binary, "-c", self.config, *map(str, args)], stdin=stdin, timeout=timeout, cwd=ROOT)

    def do(self, *args, stdin=None):
        """The stdout of a command that must succeed."""
        status, out, err = self.run(*args, stdin=stdin)
        if status != 0:
            raise AssertionError("%s: %s: status %d: %s%s" % (self.name, " ".join(map(str, args)), status, out, err))
        return out

    def status(self):
        return json.loads(self.do("status", "--json"))

    def balance(self):
        return self.status()["balance"]

    def alarms(self):
        return {a["code"] for a in self.status()["alarms"]}

    def child_of(self, node):
        """What this node knows of a child."""
        return next((c for c in self.status()["children"] if c["org"] == node.org), None)

    def link(self, parent=None):
        return next(lk for lk in self.status()["links"] if parent is None or lk["parent"] == parent.org)

    def sensor(self, name="plant", epoch=None):
        return Sensor(self.redis, name, epoch)

    def replay(self, *captures, name="plant"):
        """The real sensor replays captures of the repository into our Redis; returns how many events that made."""
        args = [SENSOR, "--quiet", "-S", "rules", "--set", "sensor.name=" + name, "--set", "spool.folder=" + self.folder]
        for c in captures:
            args += ["-r", c]
        status, _, err = run([*args, "-o", self.redis.url()], cwd=ROOT)
        equal(status, 0, "the sensor's exit status: " + err)
        return self.redis.ask("XLEN", "bongsu:alerts:{%s}" % name)


class World:
    """Everything of one test, below one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.nodes, self.servers = {}, {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def redis(self, name, *options):
        self.servers[name] = Redis(self.path("redis-" + name), *options)
        return self.servers[name]

    def node(self, name, tier, parents=(), start=True, **more):
        """A node that is enrolled at its parents: Nodes, or (Node, {"level": 2, "link": "view", …})."""
        node = self.nodes[name] = Node(self, name, tier, **more)
        for parent in parents:
            parent, how = parent if isinstance(parent, tuple) else (parent, {})
            node.add_parent(parent, **how)
        if "chain.listen" in node.settings or not parents:
            node.make_authority()
        return node.start() if start else node

    def enterprise(self, name, parents, redis=None, **more):
        more = {"region": "370500", "sector": "C26", **more}
        return self.node(name, "enterprise", parents, redis=redis or self.redis(name), **more)

    def chain(self, enterprises=1, settings=None, **more):
        """Nation (whose feeds go to the Redis "nation"), province and enterprises "a", "b" … with a Redis each."""
        nation = self.node("nation", "nation", feed=self.redis("nation"), settings=settings)
        province = self.node("province", "province", [nation], region="370000", settings=settings)
        firms = [self.enterprise(chr(ord("a") + i), [province], settings=settings, **more) for i in range(enterprises)]
        return nation, province, firms

    def balanced(self, node, events, seconds=None, lost=0):
        """Waits until a node with children accounts for so many events, none unexplained; returns its balance."""
        try:
            wait_for(lambda: node.balance()["events"] >= events, seconds)
        except AssertionError:
            raise AssertionError("%d events at %s did not come: %r" % (events, node.name, node.balance())) from None
        b = node.balance()
        equal((b["events"], b["unexplained"], b["lost"]), (events, 0, lost), "events, unexplained, lost at " + node.name)
        equal(b["events"], b["alerts"] + b["other"] + b["lost"], "events at " + node.name)
        equal(b["alerts"], b["items"] + b["suppressed"] + b["sampled"] + b["withheld"], "alerts at " + node.name)
        return b

    def balanced_at_all(self, sensors, tiers, seconds=None, lost=0):
        """Every event that was emitted is accounted for at each tier."""
        emitted = sum(s.n for s in sensors)
        return [self.balanced(tier, emitted, seconds, lost) for tier in tiers]

    def logs(self, lines=15):
        """The ends of all logs, for whoever looks at a failure."""
        text = []
        for p in [*self.nodes.values(), *self.servers.values()]:
            if os.path.exists(p.log_path):
                text += ["--- " + os.path.relpath(p.log_path, self.folder)]
                with open(p.log_path, errors="replace") as f:
                    text += f.read().splitlines()[-lines:]
        return "\n".join(text)
