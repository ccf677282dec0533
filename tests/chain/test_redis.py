"""Redis on the side of the aggregator: taken down, emptied, trimmed, hostile; several sensors; where feeds go, taken away."""
import json
import time

from harm import Rig, check, equal, soon
from kit import Client

GROUP = "bongsu-aggregator"


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def pending(rig, feeder):
    return pairs(rig.redis.ask("XINFO", "GROUPS", feeder.key)[0])["pending"]


def consumers(rig, feeder):
    return [pairs(c)["name"] for c in rig.redis.ask("XINFO", "CONSUMERS", feeder.key, GROUP)]


def test_entries_are_acknowledged_once_they_are_committed(world):
    rig = Rig(world, sensors=3)
    a, b, c = rig.feeders
    for f in rig.feeders:
        f.feed(40, flash=True)
    rig.settles("three sensors")
    for f in rig.feeders:
        equal(consumers(rig, f), ["aggregator"], "one consumer of a fixed name")
        soon(lambda f=f: pending(rig, f) == 0, "all is acknowledged")
    # what another consumer of the group was given is taken over
    rig.enterprise.stop()
    a.feed(20)
    given = rig.redis.ask("XREADGROUP", "GROUP", GROUP, "someone-else", "COUNT", 12, "STREAMS", a.key, ">")
    equal(len(given[0][1]), 12, "entries given to one that goes away")
    rig.enterprise.start("intake.committed")
    soon(lambda: not rig.enterprise.alive(), "it dies between commit and acknowledgement")
    check(pending(rig, a) > 0, "what it folded is not acknowledged")
    rig.enterprise.start()
    rig.settles("after a crash between commit and acknowledgement")
    soon(lambda: pending(rig, a) == 0, "entries that were folded are acknowledged unfolded")
    rig.redis.ask("XGROUP", "DESTROY", b.key, GROUP)
    b.feed(5)
    rig.settles("after the group was destroyed")
    rig.ends()


def test_redis_goes_and_comes_back(world):
    feeds = world.redis("feeds")
    rig = Rig(world, sensors=2, province={"feed": feeds})
    a, b = rig.feeders
    a.feed(20, flash=True)
    b.feed(20)
    rig.settles("before")
    # with its append-only file it has everything still
    rig.redis.kill()
    soon(lambda: "intake: " in rig.enterprise.log(), "that Redis is away is said")
    rig.redis.start()
    b.feed(30, flash=True)
    soon(lambda: "answers again" in rig.enterprise.log(), "and that it is back")
    rig.settles("after Redis was killed")
    # without it comes back empty: the group is made anew
    rig.redis.kill()
    rig.redis.options = ("--appendonly", "no")
    rig.redis.start()
    equal(rig.redis.ask("EXISTS", b.key), 0, "it came back empty")
    b.feed(25, flash=True)
    rig.settles("after Redis forgot everything")
    equal(consumers(rig, b), ["aggregator"], "its group is there again")
    # where feeds go is not needed for what counts
    soon(lambda: feeds.ask("XLEN", "bongsu:feed:{digest}") > 0, "feeds are written")
    feeds.kill()
    a.feed(10, flash=True)
    rig.settles("without the Redis of feeds")
    feeds.start()
    soon(lambda: feeds.ask("XLEN", "bongsu:feed:{flash}") > 0, "feeds that waited are written when it is back")
    rig.ends()


def test_what_redis_trimmed_is_seen_by_its_numbers(world):
    rig = Rig(world, sensors=2)
    a, c = rig.feeders
    c.feed(20)
    a.feed(20)
    rig.settles("before")
    rig.enterprise.stop()
    c.feed(30)
    rig.redis.ask("XTRIM", c.key, "MAXLEN", 10)
    c.feed(10)
    rig.redis.ask("XDEL", c.key, "1-%d" % (c.n - 5), "1-%d" % (c.n - 4))
    rig.enterprise.start()
    rig.settles("after 22 entries went", {"trimmed": 22})
    check(any("gone from Redis" in text for text in rig.enterprise.alarm("events-lost")), "there is an alarm")
    # the end of an epoch that nobody can read any more: its heartbeat had told of it
    rig.redis.ask("HSET", "bongsu:sensor:{%s}" % c.name, "epoch", c.epoch, "n", c.n + 7, "version", "0.1.0")
    soon(lambda: rig.enterprise.rows("SELECT 1 FROM position WHERE sensor = ? AND told_n = ?", c.name, c.n + 7), "the heartbeat is heard")
    c.told += 7
    c.restart()
    c.feed(10)
    rig.settles("after the end of an epoch went", {"trimmed": 29})
    # late alerts count in the window that took them in
    before = rig.enterprise.number("SELECT max(id) FROM link_body")
    a.feed(6, bongsu={"ts_ns": int((time.time() - 7200) * 1e9)})
    late = sum(n % 7 != 6 for n in range(a.n - 5, a.n + 1))
    rig.settles("late alerts", {"trimmed": 29})
    windows = [json.loads(line) for line, in rig.enterprise.rows("SELECT line FROM link_body WHERE id > ?", before)]
    windows = [f["w"] for f in windows if f["t"] == "digest"]
    equal(sum(w["late"] for w in windows), late, "late alerts are told as such")
    check(all(w["end"] - w["start"] < 60 for w in windows), "in windows of now", windows)
    rig.ends()


HOSTILE = ["not JSON", "[1,2,3]", "{}", "null", "", '{"alert":7,"bongsu":{"rule":5}}', "[" * 100000, '{"bongsu":{"rule":"%s"}}' % ("x" * 9000),
           '"' + "y" * (3 << 20) + '"', b"\xff\xfe\x00\x01", '{"bongsu":{"rule":"a\\u0000b"}}', '{"a":1e999}']


def test_hostile_streams_stall_nothing(world):
    rig = Rig(world, sensors=2)
    a, b = rig.feeders
    a.feed(5)
    b.feed(5)
    client = Client(rig.redis.socket)
    for text in HOSTILE:
        a.put(text, counts=False, client=client)
    client("XADD", a.key, "%d-%d" % (a.epoch, a.n + 1), "what", "ever")  # without type and event
    a.n += 1
    a.told += 1
    a.feed(1)
    lost = {"unreadable": len(HOSTILE) + 1}
    rig.settles("contents of any kind", lost)
    a.put(a.eve(a.n + 1, "alert", alert={"severity": -3, "category": "\u202e", "metadata": {"mitre_technique_id": ["T1'; DROP", 5]}},
                bongsu={"rule": "odd", "count": -5, "ts_ns": -1, "confidence": 1 << 60, "src_role": "../../x", "src_zone": "\x1b[2J",
                        "evidence": [1], "verdict": "none"}))
    a.kinds += 1  # it is grave, so it flashes
    rig.settles("values of any kind", lost)
    # longer than any answer that is held: passed over and counted, and those around it come through
    rig.redis.ask("CONFIG", "SET", "proto-max-bulk-len", 1 << 30)
    a.feed(1)
    a.put(b"x" * (70 << 20), counts=False)
    a.feed(1)
    lost["unreadable"] += 1
    rig.settles("an entry of 70 MiB", lost)
    rig.redis.ask("XTRIM", a.key, "MAXLEN", 1)
    # keys of another kind: an alarm, and the other sensors are read on
    for key in ("bongsu:alerts:{wrong}", "bongsu:sensor:{wrong}"):
        client("SET", key, "no stream")
    client("SADD", "bongsu:sensors", "wrong", "../../etc/passwd", "x" * 200, "{a}")
    soon(lambda: any("WRONGTYPE" in text for text in rig.enterprise.alarm("redis-refuses")), "a key of another kind is an alarm")
    soon(lambda: rig.enterprise.alarm("sensors-refused"), "names that no sensor has are an alarm")
    b.feed(12, flash=True)
    client("DEL", "bongsu:sensors")
    client("SET", "bongsu:sensors", "no set")
    for f in rig.feeders:
        f.put(f.eve(f.n + 1, "alert"), client=client)
    rig.settles("keys of another kind", lost)
    # an id that no sensor gives: refused with an alarm, not counted
    client("XADD", b.key, "18446744073709551615-5", "e", "alert", "eve", "{}")
    soon(lambda: rig.enterprise.alarm("intake-refused"), "an id that no sensor gives is an alarm")
    a.put(a.eve(a.n + 1, "alert"), client=client)
    rig.settles("an id that no sensor gives", lost)
    equal(rig.province.held_of(rig.enterprise)[1], sum(f.alerts for f in rig.feeders), "alerts are counted as alerts")
    rig.ends()
