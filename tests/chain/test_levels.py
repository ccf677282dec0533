"""What leaves at each level: every byte is caught by a parent of ours and searched for what the site knows."""
import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import time

from kit import ROOT, equal, run, wait_for
from parent import Parent

EXTERNAL, INTERNAL, PLC = "203.0.113.77", "10.99.88.77", "10.99.88.20"
SECRETS = {  # what an event of this site says that nobody else needs to know
    "src_port": 41937, "dest_port": 20547, "in_iface": "mirror-QXZPLOVER", "vlan": [3777], "flow_id": 1589879668246371,
    "ether": {"src_mac": "02:ab:cd:ef:12:34", "dest_mac": "02:ab:cd:ef:12:35"}, "pcap_filename": "/srv/QXZPLOVER-plant.pcap",
    "community_id": "1:zYLKuTQia3ld4pe0jn2fYJ8WYDg=", "pcap_cnt": 918273,
    "alert": {"signature": "QXZPLOVER turbine overspeed setpoint", "signature_id": 7654321,
              "metadata": {"mitre_technique_id": ["T0886"], "tag": ["QXZPLOVER-tag"]}},
    "s7comm": {"request": {"items": [{"db": 4711, "value": 987654321}]}},
    "bongsu": {"rule": "qxz-site-rule", "src_name": "QXZPLOVER-laptop", "dst_name": "QXZPLOVER-turbine", "src_role": "QXZPLOVER-role", "src_zone": "QXZPLOVER-zone",
               "matched": {"s7comm.item.db": 4711}, "old_value": 314159.25, "new_value": 271828.125,
               "evidence": {"pcap": "/srv/QXZPLOVER-evidence.pcap", "frames": [55501, 55502]}, "latency_ms": 12.625},
}
NUMBERS = [41937, 20547, 3777, 1589879668246371, 918273, 7654321, 4711, 987654321, 314159.25, 271828.125, 314159, 271828, 55501]
TEXTS = ["QXZPLOVER", "02:ab:cd:ef", "zYLKuTQia3ld4", INTERNAL, PLC, "turbine"]


def site(world, level):
    """An enterprise at this level below a parent that listens, with its sensors' alerts told."""
    node = world.node("nation", "nation", start=False)
    parent = Parent(node)
    firm = world.enterprise("firm", [(node, {"level": level})], settings={"digest.shared_rules": [os.path.join(ROOT, "rules")]})
    s = firm.sensor("sensor-QXZPLOVER")
    for src, dst in ((EXTERNAL, PLC), (INTERNAL, PLC), (INTERNAL, EXTERNAL)):
        s.emit(4, src_ip=src, dest_ip=dst, **SECRETS)
        critical = {**SECRETS, "alert": {**SECRETS["alert"], "severity": 1}}
        s.emit(1, src_ip=src, dest_ip=dst, **critical)
        s.emit(1, kind="verdict", src_ip=src, dest_ip=dst, **{k: v for k, v in SECRETS.items() if k != "alert"})
        s.emit(1, kind="stats")
    firm.replay(os.path.join(ROOT, "pcaps/demo/plant.pcap"), name="plant-QXZPLOVER")
    return parent, firm, s


def replayed_words(firm):
    """Every text of the real alerts that is no word of the frames' table and no shared rule."""
    found = set()

    def walk(value):
        if isinstance(value, dict):
            for v in value.values():
                walk(v)
        elif isinstance(value, list):
            for v in value:
                walk(v)
        elif isinstance(value, str) and len(value) > 6:
            found.add(value)
    for _, fields in firm.redis.ask("XRANGE", "bongsu:alerts:{plant-QXZPLOVER}", "-", "+"):
        walk(json.loads(fields[3]))
    known = firm.do("--fields")
    return [w for w in found if w not in known and not re.fullmatch(r"[0-9a-f-]{36}|T\d{4}(\.\d{3})?|TA\d{4}|0+", w)]


def left_text(firm):
    rows = [json.loads(line) for line in firm.do("left", "--since", "1h", "--json").splitlines()]
    return "".join(r.get("text", "") for r in rows if r["kind"] == "left")


def told(parent, events):
    def reached():
        return sum(f["in"]["events"] for f in parent.frames("digest")) >= events
    wait_for(reached, what="%d events in digests" % events)


def test_level_0(world):
    parent, firm, s = site(world, 0)
    time.sleep(3)
    wait_for(lambda: len(parent.frames("beat")) >= 3, what="beats")
    equal({f["t"] for f in parent.frames()}, {"beat"}, "types of frames")
    for f in parent.frames():
        equal(set(f) - {"v", "alg", "kid", "t", "org", "to", "sig", "tier", "reg", "ind", "lvl", "ver", "hl", "at", "run"}, set(), f)
        equal(set(f["hl"]) - {"high", "cert_d"}, set(), f["hl"])
        equal(f["lvl"], 0, "level")
    equal(parent.frames()[-1]["hl"]["high"], True, "a high alert: yes")
    equal(parent.found(TEXTS + NUMBERS + [EXTERNAL, "sensor"] + replayed_words(firm)), [], "found")
    plant = firm.redis.ask("XLEN", "bongsu:alerts:{plant-QXZPLOVER}")
    wait_for(lambda: sum(x["n"] for x in firm.status()["sensors"]) == s.n + plant, what="all of it folded")
    time.sleep(1.5)  # and its window closed
    # the next level's first digest counts what was withheld, and tells no more of it
    firm.parents[0][1]["level"] = 1
    firm.configure()
    firm.restart()
    s.emit(1)
    told(parent, s.n + plant)
    digests = parent.frames("digest")
    assert sum(f["in"]["withheld"] for f in digests) >= 15, digests
    equal(sum(f["in"]["items"] for f in digests), 1, "alerts told of")
    equal(parent.found(TEXTS + NUMBERS + [EXTERNAL]), [], "found")


def test_level_1(world):
    parent, firm, s = site(world, 1)
    told(parent, s.n + firm.redis.ask("XLEN", "bongsu:alerts:{plant-QXZPLOVER}"))
    wait_for(lambda: parent.frames("flash"), what="a flash")
    words = replayed_words(firm)
    assert len(words) > 50, words
    equal(parent.found(TEXTS + NUMBERS + [EXTERNAL, "qxz-site-rule"] + words), [], "found")
    digests = parent.frames("digest")
    assert all(item["rule"] == "local" or re.fullmatch("[0-9a-f-]{36}", item["rule"]) for f in digests for item in f["items"]), digests
    assert any(item["rule"] != "local" for f in digests for item in f["items"]), "a rule that ships is named"
    equal({item[n] for f in digests for item in f["items"] for n in ("n", "src", "dst")} - {"1", "2", "3-5", "6-10", "11-20"}, set(), "buckets")
    # what left is in the ledger byte for byte, once it has been answered, and nothing else is
    with parent.lock:
        came = list(parent.lines)
    wait_for(lambda: not set(came) - set(left_text(firm).encode().splitlines()), what="all that came in the ledger")
    text = left_text(firm)
    with parent.lock:
        lines = list(parent.lines)
    for line in text.splitlines():
        assert line.encode() in lines or json.loads(line)["t"] == "beat", line
    words = firm.do("left", "--since", "1h")
    assert "at level 1" in words and "digest" in words and "flash" in words, words


def test_level_2(world):
    """External addresses in clear, internal ones as pseudonyms by a key that stays; nothing else."""
    parent, firm, s = site(world, 2)
    told(parent, s.n + firm.redis.ask("XLEN", "bongsu:alerts:{plant-QXZPLOVER}"))
    names = [w for w in replayed_words(firm) if not re.fullmatch(r"[\d.]+", w)]
    equal(parent.found(TEXTS + NUMBERS + names), [], "found")
    items = [item for f in parent.frames("digest") for item in f["items"]]
    equal({a for item in items for a in item["ioc"] if item["rule"] == "local"}, {EXTERNAL}, "addresses in clear")
    with open(os.path.join(firm.folder, "site.key")) as f:
        key = bytes.fromhex(f.read().strip())
    now = time.gmtime()
    quarter = (now.tm_year - 1900) * 4 + (now.tm_mon - 1) // 3
    for address in (INTERNAL, PLC):
        name = hmac.new(key, ("pseudonym|%d|%s" % (quarter, address)).encode(), hashlib.sha256).hexdigest()[:16]
        assert any(name in item["srcp"] + item["dstp"] for item in items), (address, items)
    assert key.hex() not in parent.bytes().decode(errors="replace")


def test_level_3(world):
    """At level 3 nothing leaves that does not at level 2, but what a person releases: for a ticket and a time."""
    parent, firm, s = site(world, 3)
    told(parent, s.n)
    equal(parent.found(TEXTS + NUMBERS), [], "found")
    equal({f["t"] for f in parent.frames()} - {"beat", "digest", "flash"}, set(), "types of frames")


def test_release(world):
    nation, province, (firm,) = world.chain()
    firm.parents[0][1]["level"] = 3
    firm.configure()
    firm.restart()
    wait_for(lambda: (province.child_of(firm) or {}).get("beat_ms"), what="a beat")
    path, piece = world.path("trip.pcap"), os.urandom(40000)
    with open(path, "wb") as f:
        f.write(piece)
    release = ["release", "--ticket", "IR-2026-7", "--to", province.org, "--for", "1h", "--by", "security lead"]
    for wrong, word in (([*release[:6], "60d", *release[7:], path], "30 days"), ([*release[:4], nation.org, *release[5:], path], "no parent"),
                        ([*release, world.path("none")], "No such file"), ([*release[:2], "Q X", *release[3:], path], "ticket"),
                        ([*release, firm.binary], "45000 bytes")):
        status, _, err = firm.run(*wrong)
        assert status == 1 and word in err, (wrong, status, err)
    equal(firm.run("release", "--ticket", "X", path)[0], 2, "half of a command line")
    firm.do(*release, path)
    wait_for(lambda: "IR-2026-7" in province.do("evidence"), what="the evidence")
    got = run([province.binary, "-c", province.config, "evidence", "IR-2026-7", "--org", firm.org], text=False, errors=None)
    equal((got[0], got[1] == piece), (0, True), "what came")
    equal(province.run("evidence", "IR-2026-8")[0], 1, "another ticket")
    equal(nation.do("evidence"), "", "nothing goes further up")
    words = firm.do("left")
    assert "security lead released 40,000 bytes for IR-2026-7" in words and "1 evidence" in words and "at level 3" in words, words
    assert "whole" in firm.do("verify")
    # past its time it is gone, also from the disk
    db = sqlite3.connect(os.path.join(province.folder, "chain.db"), timeout=20)
    db.execute("UPDATE evidence SET until_s = 1")
    db.commit()
    equal(province.do("evidence"), "", "past its time")
    province.restart()
    wait_for(lambda: db.execute("SELECT count(*) FROM evidence").fetchone() == (0,), what="deleted")
    db.close()
    # a parent that wants no level 3 refuses it frame by frame, and the link goes on: what it did not take is lost by name
    province.configure(chain_level=1)
    province.restart()
    firm.do(*release, path)
    wait_for(lambda: "frame-rejected" in firm.alarms(), what="level")
    s = firm.sensor()
    s.emit(3)
    for tier in (province, nation):
        equal(world.balanced(tier, 3, lost=3)["lost_by"], {"level": 3}, tier.name)
    wait_for(lambda: firm.link()["dur"][1] >= firm.link()["sent"][1] - 2, what="dur beyond it")
    equal(province.do("evidence"), "", "kept")
    # and at a lower level of the link the command is refused
    firm.parents[0][1]["level"] = 2
    firm.configure()
    status, _, err = firm.run(*release, path)
    assert status == 1 and "level 3 alone" in err, err


def copy_of(firm, world, name):
    """The node's folder as it is, and a configuration for it."""
    folder = world.path(name)
    shutil.copytree(firm.folder, folder)
    with open(firm.config) as f:
        text = f.read().replace('"%s"' % firm.folder, '"%s"' % folder)
    config = world.path(name + ".yaml")
    with open(config, "w") as f:
        f.write(text)
    return folder, config


def tree(folder):
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = hashlib.sha256(f.read()).hexdigest()
    return found


def test_left(world):
    nation, province, (firm,) = world.chain()
    s = firm.sensor()
    s.emit(5)
    world.balanced(nation, 5)
    wait_for(lambda: "receipt of" in firm.do("left"), what="a receipt")
    line = next(li for li in firm.do("left", "--since", "10m").splitlines() if "receipt of" in li)
    kid = re.search(r"signed by key ([0-9a-f]{16})", line).group(1)
    assert kid in nation.do("enroll", "list"), "the receipt's key is the one that the nation certified for the province"
    for since in ("3d", "1h", "90s", "2026-01-01", time.strftime("%Y-%m-%dT00:00", time.gmtime())):
        assert province.org in firm.do("left", "--since", since), since
    equal(firm.do("left", "--since", time.strftime("%Y-%m-%d", time.gmtime(time.time() + 2 * 86400))), "nothing left in that time\n", "tomorrow")
    for wrong in ("yesterday", "5", "-1h", "", "1y"):
        status, _, err = firm.run("left", "--since", wrong)
        assert status == 1 and "say 24h" in err, (wrong, status, err)
    # a parent that is away: what would leave is shown and does not leave, and nothing is written
    province.stop()
    s.emit(7)
    wait_for(lambda: firm.status()["sensors"][0]["n"] == 12, what="folded")
    firm.stop()
    before = tree(firm.folder)
    said = firm.do("left", "--dry-run")
    assert re.search(r"to %s \(count link, level 1\): [1-9]\d* frames" % province.org, said), said
    frames = [json.loads(li) for li in firm.do("left", "--dry-run", "--json").splitlines()]
    equal(sum(f["in"]["events"] for f in frames if f["t"] == "digest"), 7, "events that would leave: %r" % frames)
    equal(tree(firm.folder), before, "what a dry run wrote")
    firm.start()
    wait_for(lambda: "line" in firm.do("verify"))
    province.start()
    world.balanced(nation, 12)


# What may be done to the ledger, each on a copy; the word that verify has to say.
SPOIL = {
    "a number altered": "UPDATE ledger SET bytes = bytes + 1 WHERE n = 3",
    "a time altered": "UPDATE ledger SET at_ms = at_ms + 1 WHERE n = 3",
    "to whom altered": "UPDATE ledger SET peer = 'nobody' WHERE n = 3",
    "what altered": "UPDATE ledger SET what = replace(what, '1', '2') WHERE n = 3",
    "the kind altered": "UPDATE ledger SET kind = 'receipt' WHERE n = (SELECT n FROM ledger WHERE kind = 'left' AND n > 2 LIMIT 1)",
    "a text exchanged": "UPDATE ledger SET text = (SELECT text FROM ledger WHERE text NOT NULL AND n <> k.n ORDER BY n DESC LIMIT 1)"
                        " FROM (SELECT min(n) AS n FROM ledger WHERE text NOT NULL) k WHERE ledger.n = k.n",
    "a text damaged": "UPDATE ledger SET text = x'00' WHERE n = (SELECT min(n) FROM ledger WHERE text NOT NULL)",
    "a hash altered": "UPDATE ledger SET hash = zeroblob(32) WHERE n = 3",
    "the last line altered": "UPDATE ledger SET at_ms = at_ms + 1 WHERE n = (SELECT max(n) FROM ledger)",
    "a line missing": "DELETE FROM ledger WHERE n = 3",
    "the first line missing": "DELETE FROM ledger WHERE n = 1",
    "the end cut": "DELETE FROM ledger WHERE n > (SELECT max(n) FROM ledger) - 2",
    "all of it gone": "DELETE FROM ledger",
    "two lines swapped": "UPDATE ledger SET n = CASE n WHEN 3 THEN -4 WHEN 4 THEN -3 END WHERE n IN (3, 4);"
                         "UPDATE ledger SET n = -n WHERE n < 0",
    "a line twice": "INSERT INTO ledger SELECT (SELECT max(n) + 1 FROM ledger), at_ms, kind, peer, what, bytes, sha, text, hash FROM ledger WHERE n = 3",
    "renumbered": "DELETE FROM ledger WHERE n = 3; UPDATE ledger SET n = -n + 1 WHERE n > 3; UPDATE ledger SET n = -n WHERE n < 0",
}


def test_verify(world):
    nation, province, (firm,) = world.chain()
    s = firm.sensor()
    for n in range(3):
        s.emit(4)
        world.balanced(nation, s.n)
    wait_for(lambda: firm.do("left").count("receipt of") >= 3, what="receipts")
    assert "whole" in firm.do("verify"), "beside the running daemon"
    firm.stop()
    assert "whole" in firm.do("verify")
    for what, sql in SPOIL.items():
        folder, config = copy_of(firm, world, re.sub(r"\W", "-", what))
        db = sqlite3.connect(os.path.join(folder, "chain.db"))
        db.executescript(sql)
        db.commit()
        assert db.total_changes > 0, what
        db.close()
        status, said, err = firm.run("-c", config, "verify")
        assert status == 1 and "ledger" in said, (what, status, said, err)
    for what in ("removed", "emptied"):
        folder, config = copy_of(firm, world, what)
        if what == "removed":
            os.unlink(os.path.join(folder, "ledger.head"))
        else:
            open(os.path.join(folder, "ledger.head"), "w").close()
        status, said, _ = firm.run("-c", config, "verify")
        assert status == 1 and "ledger.head" in said, (what, status, said)
    # texts that were trimmed after the hold time are no fault
    folder, config = copy_of(firm, world, "trimmed")
    db = sqlite3.connect(os.path.join(folder, "chain.db"))
    db.execute("UPDATE ledger SET text = NULL")
    db.commit()
    db.close()
    assert "whole" in firm.do("-c", config, "verify")
