"""A cluster of two: keys on the other node, and a slot that moves while events flow."""
import subprocess
import time

from kit import PUMP, TAIL, Client, Error, Redis, difference, done, free_port, ok, path, run, sequence, spawn, wait_for

KEY = "bongsu:alerts:{pump}"


def node(name):
    # The bus of the cluster takes the port + 10000.
    while True:
        port = free_port()
        if port < 50000:
            break
    return Redis(name, "--cluster-enabled", "yes", "--cluster-node-timeout", "3000", "--appendonly", "no", port=port)


a, b = node("a"), node("b")
a.ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
b.ask("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
a.ask("CLUSTER", "MEET", "127.0.0.1", b.port)
good = wait_for(lambda: all("cluster_state:ok" in n.ask("CLUSTER", "INFO") and "cluster_known_nodes:2" in n.ask("CLUSTER", "INFO")
                            for n in (a, b)), 30)
ok(good, "a cluster of two is up", a.ask("CLUSTER", "INFO"))
slot = a.ask("CLUSTER", "KEYSLOT", KEY)
home, other = (a, b) if slot < 8192 else (b, a)
ids = {n: n.ask("CLUSTER", "MYID") for n in (a, b)}


def on(node_, key):
    try:
        return node_.ids(key)
    except Error:
        return []


# MOVED: told the node that does not have the key. SADD bongsu:sensors is in another slot.
status, out, err = run([PUMP, "-n", "5000", "-w", "10", other.tcp()])
ok(status == 0 and on(home, KEY) == sequence(0, 5000), "MOVED is followed", err)


def members():
    for n in (a, b):
        try:
            return n.ask("SMEMBERS", "bongsu:sensors")
        except Error:
            pass


wait_for(lambda: members() == ["pump"])
status, out, err = run([PUMP, "-n", "200", "-r", "100", "-w", "10", "-e", "1", other.tcp()])
ok(status == 0 and members() == ["pump"], "and for the other keys too", "%s %s" % (members(), err))
ok(home.ask("HGET", "bongsu:sensor:{pump}", "epoch") == "1", "the heartbeat is on the node of its key")

# ASK, then MOVED: the slot goes over while events flow.
child = spawn([PUMP, "-n", "40000", "-r", "8000", "-e", "2", "-l", "-d", path("spool"), "-w", "30", home.tcp()], stderr=subprocess.PIPE, text=True)
wait_for(lambda: home.length(KEY) > 15000)
other.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[home])
home.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[other])
keys = home.ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
home.ask("MIGRATE", "127.0.0.1", other.port, "", 0, 20000, "KEYS", *keys)
time.sleep(0.7)
asking = Client(other.socket)


def length_there():
    asking("ASKING")
    return asking("XLEN", KEY)


before = length_there()
moved = wait_for(lambda: length_there() > before)
ok(moved, "ASK is followed while the slot is under way")
for n in (other, home):
    n.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[other])
status = child.wait(60)
want = sequence(0, 5000) + sequence(1, 200) + sequence(2, 40000)
got = on(other, KEY)
ok(status == 0 and got == want, "a slot that moved: exactly once, in order", difference(want, got) + child.stderr.read())
status, out, err = run([TAIL, "--once", "-n", "5", "--json", home.tcp()])
ok(status == 0, "bongsu-tail finds the stream through the other node", err)
done()
