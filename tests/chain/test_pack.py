"""Rule packs and indicator sets: signed by publishers, decided on by the site, taken up by its sensors, never gone back
behind."""
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import time

from kit import ROOT, SENSOR, Process, Skip, equal, free_port, run, wait_for

SID = 3900001
RULE = """title: %s
id: 5c1e7a52-0f0e-4d3c-9e0b-%012d
status: stable
description: Made by a test.
logsource: {product: bongsu, service: modbus}
detection:
  write: {pdu.dir: req, modbus.function_code: write_single_coil, modbus.address: %s}
  condition: write
level: high
ics: {sid: %d, rev: %d, verb: write_output}
"""


def rule(title="Coil of a pack", address=7, sid=SID, rev=1):
    return RULE % (title, sid, address, sid, rev)


class Publisher:
    """Keys of those who sign packs, held apart from any node's."""

    def __init__(self, world, node, count=3):
        self.world, self.node = world, node
        self.files = [world.path("publisher-%d" % i) for i in range(count)]
        self.keys = [node.do("notice", "keygen", f).strip() for f in self.files]

    def file(self, text):
        path = self.world.path("pack.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def sign(self, text, name, version, expires, by=(0, 1), *more):
        return [self.node.do("pack", "sign", self.file(text), "--name", name, "--version", version, "--expires", expires,
                             "--key", self.files[i], *more).strip() for i in by]

    def publish(self, node, text, name="plant", version=1, expires=None, by=(0, 1), kind="publish", sigs=None):
        """Down from a node; sigs: others than those of the text."""
        expires = int(time.time()) + 86400 if expires is None else expires
        more = ["--indicators"] if kind == "indicators" else []
        sigs = self.sign(text, name, version, expires, by, *more) if sigs is None else sigs
        args = [a for s in sigs for a in ("--sig", s)]
        return node.run("pack", kind, self.file(text), "--name", name, "--version", version, "--expires", expires, *args)

    def value(self, text, name="plant", version=1, expires=None, by=(0, 1), sigs=None, **head):
        """As it lies in bongsu:packs, made without the aggregator."""
        expires = int(time.time()) + 86400 if expires is None else expires
        sigs = self.sign(text, name, version, expires, by) if sigs is None else sigs
        head = {"name": name, "version": version, "kind": "pack", "expires": expires,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "sigs": [dict(zip(("kid", "sig"), s.split(":", 1))) for s in sigs], **head}
        return json.dumps(head) + "\n" + text


class Plc:
    """A device on loopback that takes writes of coils, and its master."""

    def __init__(self):
        self.port, self.number = free_port(), 0
        self.listener = socket.create_server(("127.0.0.1", self.port))

    def write(self, address):
        """One connection, some writes: enough for the protocol to be known by its structure."""
        master = socket.create_connection(("127.0.0.1", self.port))
        device, _ = self.listener.accept()
        for _ in range(4):
            self.number += 1
            message = struct.pack(">HHHBBHH", self.number, 0, 6, 1, 5, address, 0xff00)
            for here, there in ((master, device), (device, master)):
                here.sendall(message)
                equal(there.recv(64), message)
        master.close()
        device.close()


class Live(Process):
    """The real sensor on loopback, looking at one port."""

    def __init__(self, world, redis, port, keys, threshold=2):
        super().__init__(world.path("sensor.log"))
        self.redis = redis
        config = {"sensor": {"name": "plant", "interfaces": ["lo"], "filter": "tcp port %d" % port, "checksums": False},
                  "outputs": [redis.url()], "spool": {"folder": world.path("spool")}, "canary": {"interval": 0}, "alerts": {"fold": False},
                  "packs": {"keys": keys, "threshold": threshold, "interval": 1}}
        self.config = world.path("sensor.yaml")
        with open(self.config, "w") as f:
            json.dump(config, f)
        self.start()

    def start(self):
        if not os.path.isdir("/sys/class/net/lo") or os.geteuid() != 0:
            raise Skip("no live capture without root")
        self.redis.ask("DEL", "bongsu:sensor:{plant}")
        self.spawn([SENSOR, "-S", "rules", "-c", self.config], cwd=ROOT,
                   env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))  # its sandbox does not let that look
        wait_for(lambda: not self.alive() or self.redis.ask("HGET", "bongsu:sensor:{plant}", "rules"), what=self.log_path)
        if not self.alive() and "permi" in self.log():
            raise Skip("no live capture here: " + self.log()[-200:])
        equal(self.alive(), True, self.log())

    def events(self, kind="alert"):
        rows = self.redis.ask("XRANGE", "bongsu:alerts:{plant}", "-", "+")
        return [json.loads(f[3]) for _, f in rows if f[1] == kind]

    def fired(self, sid=SID):
        return sum(1 for e in self.events() if e["alert"]["signature_id"] == sid)

    def said(self, text):
        wait_for(lambda: text in self.log(), what="the sensor says: " + text)

    def uses(self, text):
        """Said by the thread that compiles; then the capture has gone over to it, too."""
        self.said(text)
        wait_for(lambda: self.log().rfind("rules reloaded") > max(self.log().rfind(" is in use"), self.log().rfind(" is withdrawn")),
                 what="goes over to it")


def packs(node):
    return {p["name"]: p for p in json.loads(node.do("pack", "list", "--json"))}


def states(node):
    return {name: (p["version"], p["state"]) for name, p in packs(node).items()}


def field(redis, name="plant"):
    return redis.ask("HGET", "bongsu:packs", name)


def chain(world):
    """A nation with publishers, a province, and a firm that trusts two of them and asks its people."""
    nation = world.node("nation", "nation", redis=None, feed=world.redis("nation"))
    publisher = Publisher(world, nation)
    province = world.node("province", "province", [nation], region="370000")
    firm = world.enterprise("firm", [province], settings={"intake.pack_keys": publisher.keys[:2], "intake.pack_threshold": 2,
                                                          "intake.packs": "ask"})
    return nation, province, firm, publisher


def test_to_a_live_sensor(world):
    nation, province, firm, publisher = chain(world)
    plc = Plc()
    sensor = Live(world, firm.redis, plc.port, publisher.keys[:2])
    plc.write(7)
    status, out, err = publisher.publish(nation, rule())
    equal((status, err), (0, ""), "publishing")
    wait_for(lambda: states(firm) == {"plant": (1, "offered")}, what="offered at the firm")
    time.sleep(1.5)
    equal(field(firm.redis), None, "nothing reaches a sensor before the site accepts")
    firm.do("pack", "accept", "plant")
    sensor.uses("plant 1 is in use")
    plc.write(7)
    wait_for(lambda: sensor.fired() == 4, what="the pack's rule fires")
    equal(sensor.events()[-1]["alert"]["signature"], "Coil of a pack")
    wait_for(lambda: packs(firm)["plant"]["at_sensors"], what="the list says that sensors have it")
    # its id leaves by name: it is a signed pack's
    wait_for(lambda: any(f["rule"].startswith("5c1e7a52") for _, f in nation.feeds.feed("flash")), what="a flash that names it")

    # sets come as lists, and a version that needs them
    status, _, err = publisher.publish(nation, "ip 127.0.0.1\nprefix 192.0.2.0/24\n# a word\ndomain example.org\n",
                                       name="known-bad", kind="indicators")
    equal((status, err), (0, ""), "publishing indicators")
    newer = rule("Newer").replace("modbus.address: 7", "src_ip|expand: '%known-bad-ip%'").replace("rev: 1", "rev: 2")
    equal(publisher.publish(nation, newer, version=2)[0], 0)
    wait_for(lambda: states(firm) == {"plant": (2, "offered"), "known-bad": (1, "offered")}, what="both offered")
    firm.do("pack", "accept", "plant")
    sensor.said("refused: plant 2")  # it needs what is not there yet
    wait_for(lambda: [e for e in sensor.events("anomaly") if e["anomaly"]["event"] == "pack_refused"], what="an anomaly")
    plc.write(7)
    wait_for(lambda: sensor.fired() == 8, what="the first version stays in use")
    firm.do("pack", "accept", "known-bad")
    sensor.uses("known-bad 1 is in use")
    sensor.uses("plant 2 is in use")
    plc.write(9)
    wait_for(lambda: sensor.fired() == 12, what="the list's rule fires")
    equal(sensor.events()[-1]["alert"]["signature"], "Newer")

    # an emptied Redis changes nothing, and is filled again; so does a sensor that starts anew
    firm.redis.ask("DEL", "bongsu:packs")
    sensor.end()
    sensor.start()
    plc.write(9)
    wait_for(lambda: sensor.fired() == 16, what="what was kept is in use at once")
    sensor.child.send_signal(signal.SIGUSR2)
    sensor.said("rules reloaded")
    wait_for(lambda: field(firm.redis) is not None, seconds=60, what="Redis is given it again")
    # taken back
    firm.do("pack", "refuse", "plant")
    sensor.uses("plant 2 is withdrawn")
    plc.write(9)
    time.sleep(1)
    equal(sensor.fired(), 16, "no rule of it fires any more")
    firm.do("pack", "accept", "plant")
    sensor.uses("plant 2 is in use")
    equal(sensor.end(), 0, sensor.log()[-2000:])


def test_refused_by_the_site(world):
    nation, province, firm, publisher = chain(world)
    now = int(time.time())

    def refused(what, *args, **how):
        before = len([a for a in firm.status()["alarms"] if a["code"] == "pack-refused"])
        status, _, err = publisher.publish(nation, *args, **how)
        equal(status, 0, "publishing what will be refused (%s): %s" % (what, err))
        name, version = how.get("name", "plant"), how.get("version", 1)
        wait_for(lambda: any(what in a["text"] and a["text"].startswith("%s %d" % (name, version)) for a in
                             firm.status()["alarms"] if a["code"] == "pack-refused"),
                 what="refused and said: %s (before: %d)" % (what, before))

    good = rule()
    refused("1 of 2 signatures", good, name="one", by=(0,))
    refused("1 of 2 signatures", good, name="twice", by=(0, 0))
    refused("1 of 2 signatures", good, name="stranger", by=(0, 2))
    refused("0 of 2 signatures", good, name="other", sigs=publisher.sign(good, "another", 1, now + 86400))
    refused("0 of 2 signatures", good, name="bytes", sigs=publisher.sign(good + "# ", "bytes", 1, now + 86400), expires=now + 86400)
    firm.stop()
    soon = int(time.time()) + 4
    equal(publisher.publish(nation, good, name="stale", expires=soon)[0], 0)
    wait_for(lambda: time.time() > soon + 1, what="its end")
    firm.start()
    wait_for(lambda: any(a["text"] == "stale 1 has expired" for a in firm.status()["alarms"]), what="an old one is refused")
    publisher.publish(nation, good, version=5)
    wait_for(lambda: states(firm).get("plant") == (5, "offered"), what="offered")
    refused("version 5 is trusted", good + "# other\n", version=4)
    refused("version 5 is trusted", good + "# other\n", version=5)
    equal(states(firm), {"plant": (5, "offered")}, "what is offered in the end")
    # a pack of several pieces comes whole
    big = good + "".join("# %s\n" % base64.b64encode(os.urandom(60)).decode() for _ in range(2000))
    publisher.publish(nation, big, version=6)
    wait_for(lambda: states(firm).get("plant") == (6, "offered"), what="a pack in pieces")
    equal(packs(firm)["plant"]["sha256"], hashlib.sha256(big.encode()).hexdigest())
    # the site's policy
    firm.do("pack", "refuse", "plant")
    equal(states(firm), {"plant": (6, "refused")})
    time.sleep(1.5)
    equal(field(firm.redis), None, "nothing for the sensors")
    firm.configure(intake_packs="accept")
    firm.restart()
    publisher.publish(nation, big, version=7)
    wait_for(lambda: field(firm.redis), what="accepted by policy")
    equal(states(firm), {"plant": (7, "accepted")})


def test_refused_by_the_sensor(world):
    """Whoever can write to Redis brings no rule into a sensor, and none back that was replaced."""
    node = world.node("node", "nation")
    publisher = Publisher(world, node)
    redis = world.redis("plant")
    folder, out = world.path("kept"), world.path("eve.json")

    def replay(threshold=2, keys=2):
        """One run over the demonstration; (packs' alerts, refusals, log)."""
        args = [SENSOR, "-S", "rules", "-r", "pcaps/demo/plant.pcap", "-o", "file:" + out, "--events", "stats"]
        config = world.path("s.yaml")
        with open(config, "w") as f:
            json.dump({"packs": {"keys": publisher.keys[:keys], "threshold": threshold, "redis": redis.url(),
                                 "folder": folder}}, f)
        if os.path.exists(out):
            os.unlink(out)
        status, _, err = run([*args, "-c", config], cwd=ROOT)
        equal(status, 0, "the sensor's exit status: " + err)
        with open(out) as f:
            events = [json.loads(line) for line in f]
        stats = [e["stats"]["detect"] for e in events if e["event_type"] == "stats"][-1]
        refused = [e["anomaly"]["detail"] for e in events if e["event_type"] == "anomaly" and
                   e["anomaly"]["event"] == "pack_refused"]
        equal(stats["packs_refused"], len(refused), "refusals in stats")
        mine = [e["alert"]["signature"] for e in events if e["event_type"] == "alert" and
                e["alert"]["signature_id"] >= SID]
        return sorted(set(mine)), refused, err

    def any_read(title, sid=SID):
        return rule(title, sid=sid).replace("modbus.function_code: write_single_coil, modbus.address: 7",
                                            "modbus.function_code|exists: true")

    def put(value, name="plant"):
        redis.ask("HSET", "bongsu:packs", name, value)

    second = any_read("second")
    put(publisher.value(second, version=2))
    equal(replay()[:2], (["second"], []), "taken up")
    soon = int(time.time()) + 2
    stale = publisher.value(any_read("stale"), version=3, expires=soon)
    wait_for(lambda: time.time() > soon + 1, what="its end")
    third = any_read("third")
    good = publisher.value(third, version=3)
    for why, value in [
            ("version 2 is trusted already", publisher.value(any_read("first"), version=1)),
            ("other bytes bear a version", publisher.value(any_read("other"), version=2)),
            ("1 of 2 signatures", publisher.value(third, version=3, by=(0,))),
            ("1 of 2 signatures", publisher.value(third, version=3, by=(0, 0))),
            ("1 of 2 signatures", publisher.value(third, version=3, by=(0, 2))),
            ("has expired", stale),
            ("0 of 2 signatures", good.replace('"version": 3', '"version": 4')),
            ("0 of 2 signatures", good.replace('"expires": ', '"expires": 9')),
            ("bytes are not what was signed", good + "# more\n"),
            ("bytes are not what was signed", good[:-2]),
            ("line at its head", "{}\n" + third),
            ("line at its head", good.replace('"kind": "pack"', '"kind": "order"')),
            ("no line at its head", third.replace("\n", " ")),
            ("what lies there is elsewhere", publisher.value(third, name="elsewhere", version=3)),
            ("unknown field", publisher.value(third.replace("modbus.function_code", "modbus.fnc"), version=3)),
            ("duplicate", publisher.value(third.replace("id: 5c1e7a52-0f0e-4d3c-9e0b-%012d" % SID,
                                                        "id: a7f7be9b-0bb9-4fb9-9eaa-99fc62591dd4"), version=3)),
            ("pack plant 3", publisher.value("[}\n", version=3))]:
        put(value)
        fired, refused, err = replay()
        equal(fired, ["second"], "in use while this lies there: " + why)
        if len(refused) != 1 or why not in refused[0]:
            raise AssertionError("wanted %r: %r %s" % (why, refused, err))
        if "packs: refused: " not in err:
            raise AssertionError("not in the log: " + err)
    put(good)
    equal(replay()[:2], (["third"], []), "a newer one is taken up in spite of all that")
    # keys of today count, for what is kept, too
    redis.ask("DEL", "bongsu:packs")
    equal(replay()[:2], (["third"], []), "an emptied Redis takes nothing away")
    fired, refused, _ = replay(threshold=1, keys=1)
    equal((fired, refused), (["third"], []), "one key of the two")
    with open(os.path.join(folder, "plant.pack"), "r+b") as f:
        f.seek(-3, os.SEEK_END)
        f.write(b"x")
    fired, refused, _ = replay()
    equal((fired, len(refused)), ([], 1), "bytes at rest that were changed are not used")
    put('{"name":"plant","version":9,"kind":"withdrawn"}\n')
    put(publisher.value(any_read("beside", SID + 1), name="beside", version=1), "beside")
    equal(replay()[0], ["beside"], "others are not kept from use")
    # at most 64 names, at most 16 MiB
    for i in range(80):
        put(publisher.value(any_read("n%d" % i, SID + 100 + i), name="n%d" % i, by=(0, 1)), "n%d" % i) if i < 3 else put("x", "n%d" % i)
    started = time.monotonic()
    replay()
    if time.monotonic() - started > 30:
        raise AssertionError("many names take too long")
    status, _, err = run([SENSOR, "-S", "rules", "-T", "--set", "packs.keys=abc"], cwd=ROOT)
    if status != 3 or "packs.keys" not in err:
        raise AssertionError("a wrong key is told by -T: %d %s" % (status, err))
    redis.end()
    fired, refused, err = replay()
    equal(fired[:1], ["beside"], "without Redis, what is kept")


def test_operator_of_packs(world):
    """Words at the command line, in error cases too."""
    node = world.node("node", "nation")
    publisher = Publisher(world, node)
    path = publisher.file(rule())
    for args, why in [
            (["accept"], "pack accept NAME"), (["accept", "x"], "no such pack"), (["sign"], "are needed"),
            (["sign", "/nowhere", "--name", "x", "--version", "1", "--expires", "30d", "--key", publisher.files[0]], "No such file"),
            (["sign", path, "--name", "X!", "--version", "1", "--expires", "30d", "--key", publisher.files[0]], "--name"),
            (["sign", path, "--name", "x", "--version", "1x", "--expires", "30d", "--key", publisher.files[0]], "--version"),
            (["sign", path, "--name", "x", "--version", "1", "--expires", "1000000000", "--key", publisher.files[0]], "past"),
            (["sign", path, "--name", "x", "--version", "1", "--expires", "30d"], "--key"),
            (["publish", path, "--name", "x", "--version", "1", "--expires", "30d"], "--sig"),
            (["publish", path, "--name", "x", "--version", "1", "--expires", "30d", "--sig", "abc"], "KID:SIGNATURE"),
            (["list", "--bogus"], "no such option")]:
        status, out, err = node.run("pack", *args)
        wrong = status == (1 if why in ("no such pack", "No such file") else 2)
        if not wrong or why not in err or out:
            raise AssertionError("pack %s: %d %r %r" % (args, status, out, err))
    status, _, err = node.run("pack", "bogus")
    equal((status, "pack sign FILE" in err), (2, True), "a word that is none")
    equal(node.do("pack", "list"), "no packs were offered here\n")
    equal(json.loads(node.do("pack", "list", "--json")), [])
