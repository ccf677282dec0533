"""The bus is a Redis Cluster: three masters and their replicas, sensors' streams spread over them, one master killed in the middle.
Sensors and aggregator follow; every event is counted once, or said to be lost."""
import os
import re
import subprocess
import time

import kit
from harm import Rig, check, equal, soon
from kit import Client, Error

PUMP = os.path.join(kit.BUILD, "redis", "pump")  # the sensor's own way to Redis
EVENTS, SENSORS = 3000, 6


class Member(kit.Process):
    """One server of the cluster; its bus takes the port + 10000."""

    def __init__(self, world, at):
        self.folder = world.path("cluster-%d" % at)
        os.makedirs(self.folder)
        super().__init__(os.path.join(self.folder, "log"))
        self.port = kit.free_port()
        while not 10240 < self.port < 32000:
            self.port = kit.free_port()
        self.spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                    "--appendonly", "no", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
                    "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"])
        soon(lambda: self.ask("PING") == "PONG", "a member of the cluster answers", seen=lambda: self.log())

    def ask(self, *words):
        try:
            client = Client(("127.0.0.1", self.port), 5)
        except OSError:
            return None
        try:
            return client(*words)
        except (OSError, Error) as e:
            return str(e)
        finally:
            client.close()


class Cluster:
    def __init__(self, world):
        self.members = [Member(world, i) for i in range(6)]
        made = subprocess.run(["redis-cli", "--cluster", "create", *("127.0.0.1:%d" % m.port for m in self.members), "--cluster-replicas", "1",
                               "--cluster-yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120)
        check("All 16384 slots covered" in made.stdout, "redis-cli makes a cluster", made.stdout[-2000:])
        soon(self.stands, "every member sees the cluster whole, with replicas in step", seen=lambda: self.members[0].ask("CLUSTER", "INFO"))

    def stands(self):
        return all("cluster_state:ok" in (m.ask("CLUSTER", "INFO") or "") for m in self.alive()) and \
            sum("master_link_status:up" in (m.ask("INFO", "replication") or "") for m in self.alive()) >= len(self.alive()) - 3

    def alive(self):
        return [m for m in self.members if m.alive()]

    def masters(self):
        """Ports and their slots, as one that lives sees it."""
        found = {}
        for line in self.alive()[-1].ask("CLUSTER", "NODES").splitlines():
            words = line.split()
            if "master" in words[2] and "fail" not in words[2]:
                found[int(re.search(r":(\d+)@", words[1]).group(1))] = [tuple(int(x) for x in (w + "-" + w).split("-")[:2]) for w in words[8:]
                                                                        if w[0].isdigit()]
        return found

    def slot(self, key):
        return self.alive()[-1].ask("CLUSTER", "KEYSLOT", key)

    def master_of(self, key):
        slot = self.slot(key)
        port = next(p for p, ranges in self.masters().items() if any(a <= slot <= b for a, b in ranges))
        return next(m for m in self.members if m.port == port)

    def url(self, member):
        return "redis://127.0.0.1:%d" % member.port


class Elsewhere:
    """What kit.Node wants of a Redis: where it is."""

    def __init__(self, url):
        self.url = lambda: url


def pump(world, name, epoch, url):
    with open(world.path(name + ".log"), "a") as log:
        return subprocess.Popen([PUMP, "-n", str(EVENTS), "-r", "250", "-e", str(epoch), "-l", "-d", world.path("spool-" + name), "-w", "60",
                                 "-s", name, url], stdout=log, stderr=log)


def ends_well(world, name, process):
    with open(world.path(name + ".log")) as log:
        equal(process.wait(90), 0, "exit status of the sensor %s: %s" % (name, log.read()))


def move(cluster, key):
    """The slot of a stream goes to another master, step by step; in between its old home answers ASK."""
    source, slot = cluster.master_of(key), cluster.slot(key)
    target = next(m for m in cluster.members if m.port in cluster.masters() and m is not source)
    ids = {m: m.ask("CLUSTER", "MYID") for m in (source, target)}
    equal(target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source]), "OK", "importing")
    equal(source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target]), "OK", "migrating")
    keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
    equal(source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 20000, "KEYS", *keys), "OK", "keys migrate")
    time.sleep(2)
    for m in (target, source, *(m for m in cluster.alive() if m not in (source, target))):
        m.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


def test_a_master_of_the_cluster_is_killed(world):
    cluster = Cluster(world)
    names, at = [], 0
    while len(names) < SENSORS:  # two on each master
        name = "plant-%d" % at
        at += 1
        homes = [cluster.master_of("bongsu:alerts:{%s}" % n).port for n in names]
        if homes.count(cluster.master_of("bongsu:alerts:{%s}" % name).port) < SENSORS // 3:
            names.append(name)
    # not the one that the URLs name
    victim = cluster.master_of("bongsu:alerts:{%s}" % names[-1])
    home = next(m for m in cluster.members if m.port in cluster.masters() and m is not victim)
    rig = Rig(world, redis=Elsewhere(cluster.url(home)), sensors=0)
    told = EVENTS * SENSORS
    pumps = [pump(world, name, 1, cluster.url(home)) for name in names]
    soon(lambda: rig.province.held_of(rig.enterprise)[0] > told // 10, "events flow", seen=rig.enterprise.log)
    check(all(p.poll() is None for p in pumps), "sensors are in the middle of it")
    victim.kill()
    began = time.monotonic()
    soon(lambda: victim.port not in cluster.masters() and len(cluster.masters()) == 3, "a replica takes over", seen=cluster.masters)
    print("taken over after %.1f s" % (time.monotonic() - began))
    # the slots of the others were read on meanwhile, those of the victim are now
    for name, process in zip(names, pumps):
        ends_well(world, name, process)
    soon(lambda: rig.province.held_of(rig.enterprise)[0] == told, "every event is counted once", seen=rig.where)
    events, alerts, other, lost = rig.province.held_of(rig.enterprise)
    by_reason = rig.province.lost()
    equal((events, lost), (alerts + other + lost, sum(by_reason.values())), "nothing is unexplained")
    check(set(by_reason) <= {"trimmed"}, "what is lost was gone from the cluster", by_reason)
    check(not lost or rig.enterprise.alarm("events-lost"), "and there is an alarm", by_reason)
    covered = rig.province.rows("SELECT epoch, from_n, to_n FROM child_cov WHERE org = ?", rig.enterprise.org)
    equal(covered, [(1, 1, EVENTS)] * SENSORS, "each event of each sensor")
    soon(lambda: rig.nation.sums() == rig.province.held_of(rig.enterprise), "the nation has the same", seen=rig.where)
    print("%d events, %d of them lost with the killed master" % (events, lost))
    moves = pump(world, names[0], 2, cluster.url(home))
    soon(lambda: rig.province.held_of(rig.enterprise)[0] > told, "its next epoch flows", seen=rig.where)
    move(cluster, "bongsu:alerts:{%s}" % names[0])
    check(moves.poll() is None, "a slot moves in the middle of it")
    ends_well(world, names[0], moves)
    soon(lambda: rig.province.held_of(rig.enterprise) == (told + EVENTS, alerts + EVENTS, other, lost),
         "every event is counted once, the slot moved or not", seen=rig.where)
    rig.ends()
