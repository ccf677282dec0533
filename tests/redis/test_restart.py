"""Redis is killed in the middle, with and without its append-only file: every event is in the stream
exactly once and in order, shown by the ids and by the n inside the events."""
import json
import subprocess
import time

from kit import PUMP, Redis, difference, ok, done, path, sequence, spawn, wait_for

KEY = "bongsu:alerts:{pump}"


def check_stream(redis, epoch, lines, what):
    got = redis.ids(KEY)
    want = sequence(epoch, lines)
    ok(got == want, what + ": exactly once, in order", difference(want, got))
    entries = redis.ask("XRANGE", KEY, "-", "+", "COUNT", 1000)
    inside = [(json.loads(e[1][3])["bongsu"]["n"], e[1][1]) for e in entries]
    ok(inside and inside == [(int(e[0].split("-")[1]), "alert") for e in entries], what + ": ids and contents agree")


def killed(name, options, live, kills=3, lines=40000, rate=15000):
    redis = Redis(name, *options)
    epoch = 1700000000 if live else 0
    args = [PUMP, "-n", lines, "-r", rate, "-e", epoch, "-w", 40, "-d", path(name + "-spool")]
    child = spawn([str(a) for a in args + (["-l"] if live else []) + [redis.url()]], stderr=subprocess.PIPE, text=True)
    for k in range(1, kills + 1):
        # AOF: Redis may lose its last second; without: all of it. The sensor's spool fills both.
        wait_for(lambda: redis.length(KEY) > (lines // (kills + 1) * k if options[1] == "yes" else 4000))
        redis.kill()
        time.sleep(0.3)
        redis.start()
    status = child.wait(90)
    said = child.stderr.read()
    ok(status == 0, name + ": ends well", said)
    ok("away" in said and "back after" in said, name + ": says that Redis was away", said)
    check_stream(redis, epoch, lines, name)
    redis.stop()


killed("replay-aof", ["--appendonly", "yes"], live=False)
killed("replay-no-aof", ["--appendonly", "no"], live=False)
killed("live-aof", ["--appendonly", "yes", "--appendfsync", "everysec"], live=True)
killed("live-no-aof", ["--appendonly", "no"], live=True)

# Away at the start of a live run: spooled, then delivered.
redis = Redis("late", "--appendonly", "no")
redis.kill()
child = spawn([PUMP, "-n", "5000", "-l", "-e", "5", "-w", "20", "-d", path("late-spool"), redis.url()], stderr=subprocess.PIPE, text=True)
time.sleep(0.5)
redis.start()
ok(child.wait(30) == 0, "away at the start: ends well", child.stderr.read())
check_stream(redis, 5, 5000, "away at the start")

# The sensor ends while Redis is away, and the next run brings what the first left.
redis.kill()
child = spawn([PUMP, "-n", "3000", "-l", "-e", "6", "-w", "1", "-d", path("left-spool"), redis.url(key="left")], stderr=subprocess.PIPE, text=True)
status, said = child.wait(30), child.stderr.read()
ok(status == 1 and "3000 events not delivered, they stay in the spool" in said, "ended without Redis: said", said)
redis.start()
child = spawn([PUMP, "-n", "100", "-l", "-e", "7", "-w", "10", "-d", path("left-spool"), redis.url(key="left")], stderr=subprocess.PIPE, text=True)
ok(child.wait(30) == 0, "the next run ends well", child.stderr.read())
want, got = sequence(6, 3000) + sequence(7, 100), redis.ids("left")
ok(got == want, "the next run delivers both epochs in order", difference(want, got))
done()
