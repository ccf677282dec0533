"""bongsu-tail follows streams through restarts and files through rotation, filters, and escapes."""
import json
import os
import signal
import subprocess
import time

from kit import TAIL, Redis, done, ok, path, pump, run, spawn, wait_for

redis = Redis("tail", "--appendonly", "yes", "--appendfsync", "always")
T0 = 1763842200  # 2025-11-22T20:10:00Z


def event(n, severity=3, verb="write", device="10.0.0.2", title="rule", ts=T0, **more):
    e = {"timestamp": "x", "event_type": "alert", "host": more.get("host", "plant"), "src_ip": "10.0.0.1", "dest_ip": device, "dest_port": 502,
         "alert": {"signature": title, "severity": severity, "signature_id": 1000 + n},
         "modbus": {"request": {"unit_id": 5}},
         "bongsu": {"epoch": 1, "n": n, "ts_ns": ts * 10**9, "verb": verb, "verdict": {"outcome": "accepted"}}}
    return json.dumps(e, ensure_ascii=False)


def add(n, sensor="plant", **more):
    redis.ask("XADD", "bongsu:alerts:{%s}" % sensor, "1-%d" % n, "e", "alert", "eve", event(n, host=sensor, **more))


class Tail:
    def __init__(self, *args, **environment):
        self.out = path("out%d" % len(os.listdir(os.path.dirname(path("x")))))
        with open(self.out, "w") as f, open(self.out + ".err", "w") as e:
            self.child = spawn([TAIL, "--utc", *args], stdout=f, stderr=e, env={**os.environ, **environment})

    def text(self):
        with open(self.out, encoding="utf-8", errors="surrogateescape") as f:
            return f.read()

    def errors(self):
        with open(self.out + ".err") as f:
            return f.read()

    def shows(self, text, seconds=15):
        return wait_for(lambda: text in self.text(), seconds)

    def end(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        return self.child.wait(5)


redis.ask("SADD", "bongsu:sensors", "plant")
for n in range(1, 21):
    add(n, title="old %d" % n, ts=T0 + n)
status, out, err = run([TAIL, "--once", "--utc", redis.url()])
lines = out.splitlines()
ok(status == 0 and len(lines) == 10 and lines[0].endswith("old 11") and lines[-1].endswith("old 20"), "the last ten, in order", out + err)
ok("2025-11-22 20:10:20.000" in lines[-1] and "MEDIUM" in lines[-1] and "10.0.0.1 → 10.0.0.2:502 unit 5" in lines[-1] and
   "accepted" in lines[-1] and "write" in lines[-1] and "[plant]" in lines[-1] and "\033" not in out, "one line says it all", lines[-1:])
status, out, err = run([TAIL, "--once", "--utc", "-n", "3", "--json", redis.url()])
ok([json.loads(l)["bongsu"]["n"] for l in out.splitlines()] == [18, 19, 20], "--json", out)
status, out, err = run([TAIL, "--once", "--utc", "--since", "2025-11-22T20:10:15", redis.url()])
ok([l.split("old ")[1] for l in out.splitlines()] == [str(n) for n in range(15, 21)], "--since", out + err)

# Following, filters, a second sensor, a restart.
tail = Tail("-n", "0", redis.url())
time.sleep(1)
filters = {"level": Tail("-n", "0", "--level", "high", redis.url(key="bongsu:alerts:{plant}")),
           "device": Tail("-n", "0", "--device", "10.7.*", "--sensor", "plant", redis.url()),
           "verb": Tail("-n", "0", "--verb", "stop,start", "--sensor", "plant", redis.url()),
           "rule": Tail("-n", "0", "--rule", "DOWNLOAD", "--sensor", "plant", redis.url())}
time.sleep(1)
add(21, title="plain one")
add(22, severity=1, title="level one")
add(23, device="10.7.0.9", title="device one")
add(24, verb="stop", title="verb one")
add(25, title="a download")
ok(tail.shows("a download") and tail.text().count("\n") == 5, "follows what comes", tail.text() + tail.errors())
for name, text in (("level", "level one"), ("device", "device one"), ("verb", "verb one"), ("rule", "a download")):
    t = filters[name]
    ok(t.shows(text) and t.text().count("\n") == 1, "--" + name, t.text() + t.errors())
    t.end()
redis.kill()
time.sleep(0.5)
redis.start()
add(26, title="after the restart")
ok(tail.shows("after the restart") and tail.text().count("a download") == 1, "goes on after a restart, nothing twice", tail.text() + tail.errors())
ok("trying again" in tail.errors(), "and says so on stderr", tail.errors())

add(27, title="\u202eevil\u001b[2J\u0007 \u009b31m tab\t")
ok(tail.shows("\\u202eevil\\u001b[2J\\u0007 \\u009b31m tab\\u0009"), "hostile strings are escaped", tail.text())
ok(tail.end(signal.SIGINT) == 0, "a signal ends it with 0")

tail = Tail("--color", "always", "-n", "1", redis.url())
ok(tail.shows("\033["), "--color always")
tail.end()
tail = Tail("-n", "1", redis.url(), NO_COLOR="1")
ok(tail.shows("evil") and "\033" not in tail.text(), "no colour into a file")
tail.end()

# Files.
eve = path("eve.json")
with open(eve, "w") as f:
    for n in range(1, 31):
        f.write(event(n, title="line %d" % n) + "\n")
    f.write("{broken\n" + event(31, title="line 31")[:40])
tail = Tail("-n", "2", eve)
ok(tail.shows("line 30") and tail.text().count("\n") == 2, "the last lines of a file", tail.text() + tail.errors())
with open(eve, "a") as f:
    f.write(event(31, title="line 31")[40:] + "\n")
ok(tail.shows("line 31"), "a line that came in two pieces")
os.rename(eve, eve + ".1")
with open(eve, "w") as f:
    f.write(event(32, title="rotated") + "\n")
ok(tail.shows("rotated"), "a rotated file")
with open(eve, "w") as f:
    f.write(event(1, title="cut") + "\n")
ok(tail.shows("cut"), "a truncated file")
ok(tail.end() == 0, "ends with 0")
status, out, err = run([TAIL, "--utc", "-"], input=(event(1, title="piped") + "\n").encode())
ok(status == 0 and "piped" in out, "standard input", out + err)
head = subprocess.run("'%s' -n 1000 --once '%s.1' | head -1" % (TAIL, eve), shell=True, stdout=subprocess.PIPE)
ok(head.stdout.count(b"\n") == 1, "a closed pipe")

for args, want, word in ((["--level", "x"], 2, "expected low"), (["-n", "x"], 2, "-n"), (["--since", "x"], 2, "--since"), (["--nope"], 2, "nope"),
                         (["a", "b"], 2, "one source only"), (["/no/such/file", "--once"], 1, "No such file"),
                         (["redis://127.0.0.1:1", "--once"], 1, "refused"), (["redis://h?mode=list", "--once"], 1, "only streams"),
                         (["http://h", "--once"], 1, "expected redis"), (["--help"], 0, "")):
    status, out, err = run([TAIL, *args])
    ok(status == want and word in err, "exit status %d: %s" % (want, " ".join(args)), "%d %s" % (status, err))
done()
