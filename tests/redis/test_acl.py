"""The least rights that are enough: a sensor, a tail and a list writer with the ACLs of the documentation."""
import os

from kit import ROOT, SENSOR, TAIL, Redis, done, free_port, ok, path, pump, run, sequence

redis = Redis("acl", port=free_port())


def user(name, *rules):
    redis.ask("ACL", "SETUSER", name, "reset", "on", ">secret-" + name, *rules)
    with open(path(name), "w") as f:
        f.write("secret-%s\n" % name)
    os.chmod(path(name), 0o600)


STREAM = ("resetkeys", "resetchannels", "-@all", "%RW~bongsu:alerts:*", "%RW~bongsu:sensor:*", "%W~bongsu:sensors", "+xadd",
          "+xinfo|stream", "+hset", "+expire", "+sadd", "+ping", "+asking")
user("sensor", *STREAM)
user("taker", *STREAM, "%R~bongsu:packs", "+hget", "+hkeys")
user("lister", *STREAM, "+rpush")
user("caller", *STREAM, "+publish", "&bongsu:alerts:*")
user("tail", "resetkeys", "resetchannels", "-@all", "%R~bongsu:*", "+xread", "+xrange", "+xrevrange", "+xinfo", "+smembers",
     "+hgetall", "+ping")

status, out, err = pump("-n", 3000, redis.tcp(user="sensor", password_file=path("sensor")))
ok(status == 0 and redis.ids("bongsu:alerts:{pump}") == sequence(0, 3000), "a sensor with its ACL delivers", err)
ok("heartbeat" not in err and redis.ask("SMEMBERS", "bongsu:sensors") == ["pump"] and
   redis.ask("HGET", "bongsu:sensor:{pump}", "mode") == "replay", "and its heartbeat is allowed", err)
status, out, err = pump("-n", 10, "-s", "other", redis.url(user="lister", password_file=path("lister"), mode="list"))
ok(status == 0 and redis.ask("LLEN", "bongsu:alerts:{other}") == 10, "a list with its ACL", err)
status, out, err = pump("-n", 10, redis.url(user="caller", password_file=path("caller"), mode="channel"))
ok(status == 0, "a channel with its ACL", err)

KEY = "7e41c0e9b002afecd44ab6ed44b91d59061a4f96e02d363a1c5525550303b761"
redis.ask("HSET", "bongsu:packs", "plant", "{}\n")
for who, said in (("taker", "packs: refused: plant: the line at its head"), ("sensor", "packs: NOPERM")):
    status, out, err = run([SENSOR, "-r", os.path.join(ROOT, "pcaps/demo/plant.pcap"), "-o", "file:/dev/null", "--set", "packs.keys=" + KEY,
                            "--set", "packs.redis=" + redis.tcp(user=who, password_file=path(who))])
    ok(status == 0 and said in err, "packs with the ACL of " + who, err)

with open(path("wrong"), "w") as f:
    f.write("guess\n")
status, out, err = pump("-n", 10, "-e", 2, "-w", 5, redis.url(user="sensor", password_file=path("wrong")))
ok(status == 1 and "login: WRONGPASS" in err, "a wrong password is said at once", err)
status, out, err = pump("-n", 10, "-e", 2, "-w", 5, redis.url(user="sensor", password_file=path("missing")))
ok(status == 1 and "No such file" in err, "a missing password file is said", err)
status, out, err = pump("-n", 10, "-e", 2, "-w", 5, redis.url(user="sensor", password_file=path("sensor"), key="elsewhere"))
ok(status == 1 and "NOPERM" in err, "a key that is not allowed is said", err)
ok("secret" not in err and "guess" not in err, "no password in any message")

redis.ask("CONFIG", "SET", "requirepass", "open-sesame")
with open(path("default"), "w") as f:
    f.write("open-sesame")
status, out, err = pump("-n", 10, "-w", 2, redis.url(key="d", password_file=path("default")))
ok(status == 0, "a password without a user", err)
status, out, err = pump("-n", 10, "-w", 2, redis.url(key="d", ))
ok(status == 1 and "NOAUTH" in err, "no password where one is needed: said", err)

status, out, err = run([TAIL, "--once", "-n", "3", redis.tcp(user="tail", password_file=path("tail"))])
ok(status == 0 and "NOPERM" not in err, "bongsu-tail with its ACL", "%d %s %s" % (status, out, err))
done()
