"""Lists: at least once, through a restart. Channels: best effort, what was not sent is counted."""
import json
import subprocess
import threading
import time

from kit import PUMP, Client, Redis, done, ok, path, pump, spawn, wait_for

redis = Redis("modes", "--appendonly", "yes", "--appendfsync", "always")
key = "bongsu:alerts:{pump}"


def numbers(words):
    return [json.loads(w)["bongsu"]["n"] for w in words]


child = spawn([PUMP, "-n", "20000", "-r", "10000", "-w", "30", redis.url(mode="list")], stderr=subprocess.PIPE, text=True)
for k in range(2):
    wait_for(lambda: redis.ask("LLEN", key) > 6000 * (k + 1))
    redis.kill()
    time.sleep(0.2)
    redis.start()
status = child.wait(60)
got = numbers(redis.ask("LRANGE", key, 0, -1))
ok(status == 0, "list: ends well", child.stderr.read())
ok(sorted(set(got)) == list(range(1, 20001)), "list: every event at least once, through two restarts", len(set(got)))
firsts = [n for i, n in enumerate(got) if i == 0 or n > max(got[:i][-4096:])]
ok(firsts == sorted(firsts), "list: first arrivals are in order")

heard = []
subscriber = Client(redis.socket)
subscriber("SUBSCRIBE", "hello")


def listen():
    try:
        while len(heard) < 3000:
            heard.append(subscriber.read()[2])
    except Exception:
        pass


thread = threading.Thread(target=listen, daemon=True)
thread.start()
status, out, err = pump("-n", 3000, redis.url(key="hello", mode="channel"))
thread.join(10)
ok(status == 0 and numbers(heard) == list(range(1, 3001)), "channel: a listener hears all in order", "%d %s" % (len(heard), err))

redis.kill()
status, out, err = pump("-n", 100, "-l", "-w", 2, "-d", path("none"), redis.url(key="hello", mode="channel"), "file:" + path("beside"))
with open(path("beside")) as f:
    ok(len(f.readlines()) == 100, "channel away: other sinks get all")
ok("100 events not sent" in err and status == 1, "channel away: the loss is counted and said", err)
done()
