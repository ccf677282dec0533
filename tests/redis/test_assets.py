"""The hash of devices: what the sensor knows of each at present, beside the stream of events."""
import json
import os
import subprocess

from kit import ROOT, SENSOR, Redis, done, ok, path, run, wait_for

redis = Redis("assets")
KEY = "bongsu:assets:{plant}"
PLANT = os.path.join(ROOT, "pcaps", "demo", "plant.pcap")


def replay(*more, to=None):
    return run([SENSOR, "-r", PLANT, "-S", os.path.join(ROOT, "rules"), "--quiet", "-o", to or redis.url(), "--set", "sensor.name=plant", *more])


def devices():
    flat = redis.ask("HGETALL", KEY)
    return {name: json.loads(text) for name, text in zip(flat[::2], flat[1::2])}


status, out, err = replay()
status2, table, err2 = run([SENSOR, "assets", "-r", PLANT, "--quiet", "--json"])
told = {d["address"]: d for d in map(json.loads, table.splitlines())}
ok(status == 0 and status2 == 0 and len(told) == 7 and devices() == told, "the hash holds what assets --json prints", "%s %s %s" % (err, devices(), told))
ok(0 < redis.ask("TTL", KEY) <= 7 * 86400, "it goes when the sensor has been gone for a week", redis.ask("TTL", KEY))
ok(devices()["10.9.0.20"]["role"] == "controller" and devices()["10.9.0.66"]["role"] == "engineering", "roles are those of the behaviour", devices())
before = redis.length("bongsu:alerts:{plant}")
ok([e[1][1] for e in redis.ask("XRANGE", "bongsu:alerts:{plant}", "-", "+")].count("asset") == 0 and before > 0, "no event of it in the stream, unless asked for")

status, out, err = replay("--set", "epoch=1", "--events", "asset")
ok(status == 0 and [e[1][1] for e in redis.ask("XRANGE", "bongsu:alerts:{plant}", "-", "+")].count("asset") >= 7, "and with events: [asset] there are", err)

# What has no place in the table any more has none in the hash.
redis.ask("DEL", KEY)
talk = "\n".join("tcp 10.9.1.%d:4000 > 10.9.2.1:9999\n> 00\n< 00\nwait 2s" % n for n in range(1, 31))
with open(path("many.talk"), "w") as f:
    f.write(talk)
subprocess.run([os.path.join(ROOT, "pcaps", "talk.py"), path("many.talk"), path("many.pcap")], check=True)
args = [SENSOR, "-r", path("many.pcap"), "-S", os.path.join(ROOT, "rules"), "--quiet", "-o", redis.url(), "--set", "sensor.name=plant", "--set", "epoch=2"]
status, out, err = run(args + ["--set", "assets.devices=8"])
ok(status == 0 and len(devices()) == 8 and "10.9.1.30" in devices() and "10.9.1.1" not in devices(), "who had to leave the table leaves the hash", sorted(devices()))

# A hash that outgrew any table is begun anew.
redis.ask("DEL", KEY)
for n in range(0, 66000, 1000):
    redis.ask("HSET", KEY, *[word for i in range(n, n + 1000) for word in ("old-%d" % i, "{}")])
status, out, err = replay("--set", "epoch=3")
ok(status == 0 and devices() == told, "a hash that outgrew any table is begun anew", len(devices()))

# Without the right to write it, the stream suffers nothing, and it is said once.
redis.ask("ACL", "SETUSER", "sensor", "reset", "on", ">secret", "resetkeys", "resetchannels", "-@all", "%RW~bongsu:alerts:*", "%RW~bongsu:sensor:*",
          "%W~bongsu:sensors", "+xadd", "+xinfo|stream", "+hset", "+expire", "+sadd", "+ping", "+asking")
with open(path("secret"), "w") as f:
    f.write("secret\n")
os.chmod(path("secret"), 0o600)
url = redis.url(user="sensor", password_file=path("secret"))
length = redis.length("bongsu:alerts:{plant}")
status, out, err = replay("--set", "epoch=4", to=url)
ok(status == 0 and redis.length("bongsu:alerts:{plant}") > length and err.count("devices: NOPERM") == 1, "no right to it: the stream goes on, it is said once", err)
redis.ask("DEL", KEY)
redis.ask("ACL", "SETUSER", "sensor", "%RW~bongsu:assets:*", "+hlen", "+hdel", "+del")
status, out, err = replay("--set", "epoch=5", to=url)
ok(status == 0 and devices() == told and "NOPERM" not in err, "with the rights of the documentation it is there", err)

# Redis dies and comes back: the newest state arrives.
redis.ask("DEL", KEY)
spool = path("spool")
child = subprocess.Popen([SENSOR, "-r", PLANT, "--speed", "4", "-S", os.path.join(ROOT, "rules"), "--quiet", "-o", redis.url(), "--set", "sensor.name=plant",
                          "--set", "epoch=6"], stderr=subprocess.PIPE, text=True)
seen = wait_for(lambda: redis.ask("EXISTS", KEY) == 1)
redis.kill()
redis.start()
err = child.communicate(timeout=60)[1]
ok(seen and devices().get("10.9.0.30", {}).get("role") == "outstation" and devices()["10.9.0.66"] == told["10.9.0.66"],
   "Redis killed on the way: the newest state arrives", "%s %s" % (err, devices()))
done()
