"""chain.py - what the chain holds: one core's digests, many idle children, a flash over three hops, a day's backlog. Part of run.py.

Real processes on loopback; the children are those of chain_load.c. The parent has one processor, everybody else the other, and what
is told is the parent's own processor time, so that a busy machine changes little. BENCH_CHILDREN: idle ones (default 15000).
"""
import json
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "chain"))
import kit  # noqa: E402 (found in its folder)

CHILDREN = int(os.environ.get("BENCH_CHILDREN", "15000"))
DEFAULTS = {"digest.window": 300, "digest.beat": 60, "chain.window_every": 300, "chain.rollup_again": 300}  # of the program
DAY, PROVINCE = 288, 15000  # windows; children of a large province
OUTAGE_S = 60  # with windows of a second: as many as five hours have
TICKS = os.sysconf("SC_CLK_TCK")


class Load:
    """chain_load: children of one parent in a process of their own."""

    def __init__(self, parent):
        program = os.path.join(kit.BUILD, "bench", "chain_load")
        self.child = subprocess.Popen([program, parent.folder, parent.org, str(parent.port)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        pin(self.child.pid, -1)

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            raise AssertionError("chain_load ended with status %r" % self.child.wait())
        return json.loads(line)

    def ask(self, *words):
        self.child.stdin.write(" ".join(map(str, words)) + "\n")
        self.child.stdin.flush()
        return self.answer()

    def end(self):
        self.child.stdin.close()
        self.child.wait(60)


def pin(pid, which):
    """All threads of a process to our first processor (0) or our last (-1)."""
    cpu = sorted(os.sched_getaffinity(0))[which]
    for thread in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(thread), {cpu})


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS


def resident_mib(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def number(node, question):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(node.folder, "chain.db"), uri=True, timeout=10)
    try:
        return db.execute(question).fetchone()[0]
    finally:
        db.close()


def push(load, parent, children, at_once=16):
    """Sends a day of so many children; what came of it, with the parent's processor time."""
    load.ask("make", children, DAY, 64, 5)
    load.ask("push", at_once)  # they are connected
    before = cpu_seconds(parent.child.pid)
    end = load.answer()
    end["cpu"] = cpu_seconds(parent.child.pid) - before
    if end["refused"] or end["frames"] != children * DAY:
        raise AssertionError("not all was accepted: %r" % end)
    return end


# --- one core, many children ---------------------------------------------------------------------

def measure_parent(world, say):
    nation = world.node("nation", "nation", settings=DEFAULTS)
    province = world.node("province", "province", [nation], region="370000", settings=DEFAULTS)
    pid = province.child.pid
    pin(nation.child.pid, -1)
    pin(pid, 0)
    load = Load(province)
    runs = [push(load, province, 100) for _ in range(3)]
    rate = statistics.median(r["frames"] / r["cpu"] for r in runs)
    wall = statistics.median(r["frames"] / r["seconds"] for r in runs)
    print("\nchain: a province, days of 100 children, 64 digests of 5 items a POST, each POST a commit")
    say("verified, stored, synced, in a second of processor", rate, "digests/s", 5000, least=True)
    say("in a second of this machine, the disk included", wall, "digests/s")
    say("a POST of 64 digests, 16 at once, p95", runs[-1]["p95_ms"], "ms")
    say("a day of %d children, unthrottled" % PROVINCE, PROVINCE * DAY / rate / 60, "min of processor", 60)
    empty, before = resident_mib(pid), cpu_seconds(pid)
    idle = load.ask("idle", CHILDREN)
    print("\nchain: %d children idle, each with its long poll; they connected in %.0f s" % (idle["idle"], idle["seconds"]))
    say("handshakes in a second of processor", CHILDREN / (cpu_seconds(pid) - before), "/s")
    say("memory of the parent", resident_mib(pid), "MiB", 1024)
    say("of it for one child", (resident_mib(pid) - empty) * 1024 / CHILDREN, "KiB")
    before = cpu_seconds(pid)
    time.sleep(5)
    say("of a processor while nothing happens", (cpu_seconds(pid) - before) / 5 * 100, "%")
    beside = push(load, province, 50)
    say("digests of others meanwhile, in a second of processor", beside["frames"] / beside["cpu"], "digests/s")
    load.end()
    province.end()
    nation.end()


# --- a flash, and a backlog ----------------------------------------------------------------------

class Flashes:
    """Events that hurry, at an enterprise, and when its Redis got each."""

    def __init__(self, firm):
        self.sensor, self.put_ms = firm.sensor("plant"), {}

    def emit(self, count, every_s):
        for _ in range(count):
            n = self.sensor.n + 1
            self.put_ms[n] = time.time() * 1000
            self.sensor.emit(alert={"severity": 1}, bongsu={"rule": "made-%d" % n})
            time.sleep(random.uniform(0.5, 1.5) * every_s)

    def latencies(self, nation, first):
        """Seconds until the nation had accepted each, from number `first` on; all of them must come."""
        def there():
            db = sqlite3.connect("file:%s?mode=ro" % os.path.join(nation.folder, "chain.db"), uri=True, timeout=10)
            rows = db.execute("SELECT line, at_ms FROM flash").fetchall()
            db.close()
            came = {json.loads(line)["cov"][2]: at for line, at in rows}
            return all(n in came for n in self.put_ms if n >= first) and came
        came = kit.wait_for(there, 120, "all flashes at the nation")
        return sorted((came[n] - at) / 1000 for n, at in self.put_ms.items() if n >= first)


def p95(values):
    return values[min(len(values) - 1, len(values) * 95 // 100)]


def waiting(firm):
    return number(firm, "SELECT count(*) FROM link_wait WHERE rank = 2")


def drained(firm, end):
    """Watches the enterprise's windows go: fills `end` with how many there were and the seconds it took."""
    began, most = time.monotonic(), waiting(firm)
    while waiting(firm) > 1:
        if time.monotonic() - began > 120:
            return
        time.sleep(0.1)
    end.update(windows=most, seconds=time.monotonic() - began)


def measure_flash(world, say):
    quick = {"digest.window": 1, "digest.beat": 1, "chain.window_every": 1, "digest.flash_hour": 10000}
    nation = world.node("nation", "nation", settings={**DEFAULTS, **quick})
    province = world.node("province", "province", [nation], region="370000", settings={**DEFAULTS, **quick})
    firm = world.enterprise("firm", [province], settings={**DEFAULTS, **quick})
    flashes = Flashes(firm)
    flashes.emit(1, 1)
    flashes.latencies(nation, 1)
    flashes.emit(100, 0.1)
    healthy = flashes.latencies(nation, 2)
    print("\nchain: a flash from the enterprise's XADD to the nation, three hops, %d of them" % len(healthy))
    say("healthy, p95", p95(healthy), "s", 1)
    say("healthy, median", statistics.median(healthy), "s")
    province.stop()
    end_of_outage = time.monotonic() + OUTAGE_S
    load = Load(province)
    load.ask("make", 200, DAY, 64, 5)
    time.sleep(max(0, end_of_outage - time.monotonic()))
    firm.stop()  # it would wait before it tries again: that is not measured
    province.start()
    firm.start()
    end, first = {}, flashes.sensor.n + 1
    load.ask("push", 16)
    watch = threading.Thread(target=drained, args=(firm, end))
    watch.start()
    flashes.emit(100, 0.1)
    load.answer()
    watch.join()
    late = flashes.latencies(nation, first)
    load.end()
    print("\nchain: the same while %d windows of its own and a day of 200 other children drain through the province"
          % end.get("windows", 0))
    say("p95", p95(late), "s", 30)
    say("median", statistics.median(late), "s")
    if not end.get("windows"):
        raise AssertionError("no backlog drained: %r" % end)
    times = end["windows"] / end["seconds"] + 1  # and those that closed meanwhile
    print("\nchain: a backlog under the default pace: %d windows in %.1f s, a window closing each second" % (end["windows"], end["seconds"]))
    say("times as fast as windows close", times, "x")
    say("so a day's backlog takes", 24 / (times - 1), "h", 3)
    for node in (firm, province, nation):
        node.end()


def measure(folder, say):
    """Everything; `say` prints one figure and judges it."""
    for part in (measure_parent, measure_flash):
        inner = os.path.join(folder, part.__name__)
        shutil.rmtree(inner, ignore_errors=True)
        os.makedirs(inner)
        world = kit.World(inner)
        try:
            part(world, say)
        except AssertionError:
            print(world.logs())
            raise
        finally:
            for p in [*world.nodes.values(), *world.servers.values()]:
                if p.alive():
                    p.kill()
            shutil.rmtree(inner, ignore_errors=True)


def more_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
