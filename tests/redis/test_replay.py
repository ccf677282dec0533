"""Replays into streams: unix socket and TCP, the second one refused, errors that say what is wrong."""
import glob
import json
import os

from kit import ROOT, SENSOR, Redis, difference, done, free_port, ok, path, pump, run, sequence

redis = Redis("plain", port=free_port())
for name, url in (("unix", redis.url(key="a")), ("tcp", redis.tcp(key="b"))):
    status, out, err = pump("-n", 20000, url)
    ok(status == 0, name + ": ends well", err)
    got = redis.ids("ab"[name == "tcp"])
    ok(got == sequence(0, 20000), name + ": exactly once, in order", difference(sequence(0, 20000), got))

status, out, err = pump("-n", 10, redis.url(key="a"))
ok(status == 1 and "already holds events of epoch 0" in err, "a second replay is refused", err)
ok(redis.length("a") == 20000, "and leaves the stream as it was")
status, out, err = pump("-n", 10, "-e", 3, redis.url(key="a"))
ok(status == 0 and redis.ids("a")[-10:] == sequence(3, 10), "with a higher epoch it goes on", err)
status, out, err = pump("-n", 10, "-e", 2, redis.url(key="a"))
ok(status == 1 and "another writer" in err, "a lower epoch is another writer", err)
status, out, err = pump("-n", 10, "-e", 3, "-l", "-d", path("s"), redis.url(key="a"))
ok(status == 1 and "another writer" in err, "the same epoch, live, is another writer", err)

hello = redis.ask("SMEMBERS", "bongsu:sensors")
ok(hello == ["pump"], "the sensor announces itself", hello)
beat = redis.ask("HGETALL", "bongsu:sensor:{pump}")
beat = dict(zip(beat[::2], beat[1::2]))
ok({"version", "rules", "packets", "kernel_drops", "blind_bytes", "lag_ms", "clock", "epoch", "n"} <= set(beat), "heartbeat", beat)
ttl = redis.ask("TTL", "bongsu:sensor:{pump}")
ok(0 < ttl <= 60, "the heartbeat expires", ttl)

redis.ask("SET", "text", "x")
status, out, err = pump("-n", 10, redis.url(key="text"))
ok(status == 1 and "WRONGTYPE" in err, "a key of another type is refused", err)
status, out, err = pump("-n", 10, "-w", 1, "redis://127.0.0.1:%d" % free_port())
ok(status == 1 and "not reached within 1 s" in err, "nobody there: said, after the time to drain", err)

# Two at once, one failing: the other gets all.
status, out, err = pump("-n", 5000, "-w", 3, redis.url(key="c"), "file:" + path("eve.json"), "file:/dev/full")
lines = open(path("eve.json")).read().splitlines()
ok(redis.ids("c") == sequence(0, 5000) and [json.loads(l)["bongsu"]["n"] for l in lines] == list(range(1, 5001)),
   "a full disk of one sink does not hurt two others", err)
ok(status == 1 and "/dev/full: 5000 events could not be written" in err, "and is said", err)

for url, word in (("redis://", "host is missing"), ("redis://h:0", "not a port"), ("redis://h:99999", "not a port"),
                  ("redis://h/3", "no path or database"), ("redis://u:p@h", "password-file"), ("redis+unix://x", "path of the socket"),
                  ("redis://h?mode=queue", "stream, list or channel"), ("redis://h?kee=x", "unknown option kee"),
                  ("redis://h?key=a&key=b", "given twice"), ("redis://h?key=%zz", "two hex digits"), ("redis://h?key", "NAME=VALUE"),
                  ("redis://h?user=u", "without password-file"), ("redis://h?ca-file=/x", "belong to rediss"),
                  ("rediss://h?cert-file=/x", "go together"), ("http://h", "not a sink")):
    status, out, err = pump("-n", 1, url)
    ok(status == 1 and word in err and url in err, "refused: " + url, err)

# The sensor itself, with every event it knows.
captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*", "*.pcap")))
args = [SENSOR, "-S", os.path.join(ROOT, "rules"), "--quiet", "-k", "none", "--set", "sensor.name=real"]
for c in captures:
    args += ["-r", c]
status, out, err = run(args + ["--events", "alert,verdict,anomaly,flow,stats,modbus,s7comm,dnp3", "-o", redis.url(key="real"), "-o", "file:" + path("real.json")])
lines = [json.loads(l) for l in open(path("real.json"))]
entries = redis.ask("XRANGE", "real", "-", "+")
# 5: some captures there are damaged on purpose
ok(status in (0, 5) and len(lines) > 10, "the sensor replays %d captures" % len(captures), err)
ok([json.loads(e[1][3]) for e in entries] == lines and [e[1][1] for e in entries] == [l["event_type"] for l in lines],
   "stream and file hold the same %d events" % len(lines))
ok([e[0] for e in entries] == ["0-%d" % (i + 1) for i in range(len(entries))], "numbered from 1 without holes")
done()
