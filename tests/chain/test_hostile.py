"""A child that lies, floods and breaks the form, beside good ones: what it gets, and what the others notice."""
import base64
import json
import os
import random
import threading
import time

import child as by_hand
from kit import equal, wait_for


def parent_and_child(world, settings=None, **more):
    nation = world.node("nation", "nation", settings=settings)
    firm = world.node("firm", "enterprise", [nation], region="370500", sector="C26", start=False, **more)
    return nation, by_hand.Child(firm, nation)


def refused(answer, code, sq=None):
    """The one frame that a 200 names."""
    equal(answer.status, 200, answer)
    equal([r["code"] for r in answer.json["rej"]], [code], answer)
    if sq is not None:
        equal(answer.json["rej"][0]["sq"], sq, answer)


def test_good_child(world):
    """What the others here deviate from is right."""
    nation, c = parent_and_child(world)
    equal(c.ask("GET", "/chain/1/head").json["ep"], 0, "head")
    a = c.post([c.digest(3), c.digest(2), c.beat(), c.flash()])
    equal((a.status, a.json["dur"], a.json["up"], a.json["rej"], len(a.json["ok"])), (200, [1, 2], [1, 2], [], 1), a)
    receipt = json.loads(a.json["rc"])
    equal((receipt["first"], receipt["last"], receipt["hash"]), (1, 2, c.pv), "the receipt")
    server = by_hand.Key(os.path.join(nation.folder, "node.key"))
    assert by_hand.verify(server.public, a.json["rc"].encode()), "the receipt's signature"
    world.balanced(nation, 5)
    for encoding in ("gzip", None):
        equal(c.post([c.digest(1)], encoding).status, 200, encoding)
    world.balanced(nation, 7)
    equal(nation.status()["alarms"], [], "alarms")


def test_forged_identity(world):
    nation, c = parent_and_child(world)
    other = world.node("other", "enterprise", [nation], region="370500", sector="C26", start=False)
    a = c.post([c.digest(1, chain=False, org=other.org)])
    equal((a.status, a.json), (403, {"why": "identity"}), a)
    assert "forged-identity" in nation.alarms(), nation.alarms()
    # one's own name and another's key, or a key that nobody certified
    for key in (by_hand.Key(os.path.join(other.folder, "node.key")), by_hand.Key()):
        own, c.key = c.key, key
        line = c.digest(1)
        c.key = own
        refused(c.post([line]), "sig", c.sq)
    # to another parent, and a signature of other bytes
    refused(c.post([c.digest(1, to="f" * 32)]), "schema", c.sq)
    line = c.digest(1).replace(b'"sev":4', b'"sev":1')
    c.pv = by_hand.sha256(line[:line.rindex(b',"sig":')])
    refused(c.post([line]), "sig", c.sq)
    equal((nation.child_of(other) or {"events": 0})["events"], 0, "what was counted for the other")
    equal(nation.child_of(c)["events"], 0, "what was counted")


def test_replay(world):
    """A whole capture sent again and again changes nothing; an older epoch is no longer taken."""
    nation, c = parent_and_child(world)
    bodies = [[c.digest(2) for _ in range(20)] + [c.flash(i), c.beat()] for i in range(1, 6)]
    for body in bodies * 3:
        a = c.post(body)
        equal((a.status, a.json["rej"]), (200, []), a)
    b = world.balanced(nation, 200)
    equal(nation.alarms(), set(), "alarms")
    old = bodies[0]
    # the next epoch goes on from the head of the first
    c.ep, c.sq, head = 2, 0, [1, 100, c.pv]
    equal(c.post([c.digest(1, after=head)]).status, 200, "the first frame of the next epoch")
    for body in [old, bodies[4]]:
        equal(c.post(body).status, 200, "frames of the old epoch, as they were")
    # frames that the old epoch never had
    c.ep, c.sq, c.pv = 1, 100, head[2]
    a = c.post([c.digest(1, chain=False)])
    equal((a.status, a.json.get("want")), (409, [2, 2]), "new frames in an old epoch: %r" % a)
    equal(nation.balance()["events"], b["events"] + 1, "events")


def test_equivocation(world):
    nation, c = parent_and_child(world)
    first = c.digest(1, chain=False, ver={"sw": "1.0.1", "rules": "none", "attck": "ics/19"})
    equal(c.post([c.digest(1)]).status, 200, "the first")
    a = c.post([first])
    equal((a.status, a.json["why"]), (409, "equivocation"), a)
    assert "equivocation" in nation.alarms(), nation.alarms()
    import sqlite3
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(nation.folder, "chain.db"), uri=True)
    equal(db.execute("SELECT org, ep, sq, line FROM quarantine").fetchall(), [(c.org, 1, 1, first.decode())], "quarantined")
    world.balanced(nation, 1)
    # a link of the chain that does not fit is another history, too; head says where it stands
    line = c.digest(1, chain=False, pv="ab" * 32)
    a = c.post([line])
    equal((a.status, a.json["why"]), (409, "equivocation"), a)
    equal(db.execute("SELECT count(*) FROM quarantine").fetchone(), (2,), "the other history")
    head = c.ask("GET", "/chain/1/head").json
    equal((head["ep"], head["sq"], head["pv"]), (c.ep, c.sq, c.pv), "head")
    equal(c.post([c.digest(1)]).status, 200, "goes on")
    world.balanced(nation, 2)


def test_gap(world):
    nation, c = parent_and_child(world)
    lines = [c.digest(1) for _ in range(5)]
    a = c.post(lines[2:])
    equal((a.status, a.json), (409, {"want": [1, 1], "dur": [0, 0]}), a)
    equal(c.post(lines[:2]).status, 200, "from the start")
    a = c.post(lines[3:])
    equal((a.status, a.json), (409, {"want": [1, 3], "dur": [1, 2]}), a)
    equal(c.post(lines[2:]).json["dur"], [1, 5], "all of it")
    world.balanced(nation, 5)


# Each: what is wrong, and the code; a change to a digest's members.
POISON = [
    ("a member is missing", "schema", lambda f: f.pop("items")),
    ("a number is text", "schema", lambda f: f["in"].update(events="1")),
    ("a number is no whole one", "schema", lambda f: f["in"].update(events=1.5)),
    ("out of bounds", "schema", lambda f: f["items"][0].update(sev=9)),
    ("no such word", "schema", lambda f: f["items"][0].update(verb="open_valve")),
    ("a text that does not look like one", "schema", lambda f: f["items"][0].update(k="10.9.0.20")),
    ("an exact number where a bucket belongs", "schema", lambda f: f["items"][0].update(n="137")),
    ("too many elements", "schema", lambda f: f.update(items=f["items"] * 101)),
    ("a reason of loss that nobody knows", "schema", lambda f: f["in"].update(lost={"eaten": 0})),
    ("an unknown member that the reader has to know", "schema", lambda f: f.update(extra=1, crit=["extra"])),
    ("a region of letters", "schema", lambda f: f.update(reg="Beijing")),
    ("it ends before it starts", "schema", lambda f: f["w"].update(end=f["w"]["start"] - 5)),
    ("events are not those of cov", "cov", lambda f: f["cov"][0].__setitem__(3, f["cov"][0][3] + 1)),
    ("events are not alerts and other", "cov", lambda f: f["in"].update(other=1)),
    ("alerts are not items", "cov", lambda f: f["in"].update(suppressed=1)),
    ("covered twice within", "cov", lambda f: f.update(cov=f["cov"] * 2)),
    ("addresses at level 1", "level", lambda f: f["items"][0].update(ioc=["203.0.113.7"])),
    ("pseudonyms at level 1", "level", lambda f: f["items"][0].update(srcp=["0123456789abcdef"])),
    ("items at level 0", "level", lambda f: f.update(lvl=0)),
]


def test_poison(world):
    """Each breach of the table is refused alone: the frame before and the one behind it count; then a tomb closes it."""
    nation, c = parent_and_child(world)
    events = lost = 0
    for what, code, spoil in POISON:
        good = c.digest(1)
        body = c.digest_body(1)
        spoil(body)
        bad = c.next(c.line("digest", body, True))
        place = c.sq
        c.n += 1
        a = c.post([good, bad, c.digest(1)])
        refused(a, code, place)
        equal(a.json["dur"], [1, place - 1], what)
        # said again as long as no tomb stands
        refused(c.post([bad]), code, place)
        whole = json.loads(by_hand.Child.line(c, "digest", c.digest_body(1), True))
        tomb = {"w": {k: whole["w"][k] for k in ("start", "end", "coarse_s")}, "cov": [[7, 1, c.n - 1, c.n - 1]],
                "in": {k: v for k, v in whole["in"].items() if k not in ("pkts", "drops")}, "of": [1, place, place], "code": code,
                "hash": by_hand.sha256(bad[:bad.rindex(b',"sig":')])}
        a = c.post([c.line("tomb", tomb, False)])
        equal((a.status, a.json["rej"], a.json["dur"]), (200, [], [1, place + 1]), what)
        events, lost = events + 3, lost + 1
    b = world.balanced(nation, events, lost=lost)
    equal(sum(b["lost_by"].values()), lost, "lost by reason: %r" % b["lost_by"])


def test_unreadable(world):
    """Lines that are no frames at all stand where Chain-Range says; only a body that is no lines is a 422."""
    nation, c = parent_and_child(world)
    for junk in (b"{}", b"nonsense", b'{"v":1,"t":"digest"}', b"\xff\xfe\x00", b"[" * 5000 + b"]" * 5000,
                 b'{"a":' * 2000 + b"1" + b"}" * 2000, b"{" + b'"a":1,' * 9000 + b'"b":1}', b'{"v":1e999}', b'"\\ud800"'):
        c.sq += 1
        refused(c.post([junk], where="1/%d-%d" % (c.sq, c.sq)), "schema", c.sq)
        c.pv = by_hand.sha256(junk)  # the chain goes on by the hash of what came
    deep = c.next(c.line("digest", {**c.digest_body(1), "x": [[[[[[[1]]]]]]]}, True))
    refused(c.post([deep]), "schema", c.sq)
    large = c.next(c.line("digest", {**c.digest_body(1), "x": "y" * 66000}, True))
    refused(c.post([large], encoding=None), "size", c.sq)
    equal(c.post([c.digest(1)]).json["rej"], [], "the next one")
    for body in (b"", b"\n", b"\n\n{}\n", b"{}\n\n{}", b"{}\n" * 513):
        equal(c.post_body(body).status, 422, "%d bytes %r" % (len(body), body[:20]))
    world.balanced(nation, 1)


def test_bombs(world):
    """Caps hold while inflating: in size and in ratio; the parent's memory does not follow."""
    nation, c = parent_and_child(world)
    good = c.digest(1)

    def peak():
        with open("/proc/%d/status" % nation.child.pid) as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) // 1024

    before = peak()
    began = time.monotonic()
    for encoding, bomb in (("zstd", by_hand.zstd_bomb(7)), ("gzip", by_hand.PACK["gzip"](b" " * (200 << 20))),
                           ("zstd", by_hand.zstd_packed(good + b" " * 300000)), ("gzip", by_hand.PACK["gzip"](b"x\n" * 40000000))):
        assert len(bomb) <= 256 * 1024, len(bomb)
        equal(c.post_body(bomb, encoding).status, 413, "%s of %d bytes" % (encoding, len(bomb)))
    assert time.monotonic() - began < 20, "bombs took %.1f s" % (time.monotonic() - began)
    assert peak() - before < 30, "MiB at most: %d, before: %d" % (peak(), before)
    try:
        equal(c.post_body(b"x" * (300 << 10)).status, 413, "larger than a POST may be")
    except (OSError, by_hand.http.client.HTTPException):
        pass  # it hung up while we were still talking
    for broken in (b"", b"not zstd", by_hand.zstd_packed(good)[:-5], by_hand.zstd_packed(good) + b"behind"):
        equal(c.post_body(broken, "zstd").status, 422, broken[:20])
    equal(c.post_body(by_hand.PACK["gzip"](good)[:-5], "gzip").status, 422, "gzip, cut")
    equal(c.post_body(good, "br").status, 415, "an encoding that nobody has")
    equal(c.post([good]).status, 200, "and an honest one")


def test_oversharing(world):
    """What a tier may not have it refuses frame by frame, whatever the child says of itself."""
    nation, c = parent_and_child(world, settings={"chain.level": 1})
    good = c.digest(1)
    body = c.digest_body(1, lvl=2)
    body["items"][0].update(ioc=["203.0.113.7"], srcp=["0123456789abcdef"], dstp=[])
    bad = c.next(c.line("digest", body, True))
    c.n += 1
    a = c.post([good, bad, c.digest(1)])
    refused(a, "level", 2)
    for name in os.listdir(nation.folder):
        with open(os.path.join(nation.folder, name), "rb") if name.startswith("chain.db") else open(os.devnull, "rb") as f:
            assert b"203.0.113.7" not in f.read(), "the address is in %s" % name
    evidence = c.next(c.line("evidence", {"lvl": 3, "ticket": "X-1", "until": int(time.time()) + 60, "data": "AAAA"}, True))
    a = c.post([evidence])
    refused(a, "level", c.sq)
    assert nation.child_of(c)["events"] == 2, nation.child_of(c)


def test_loop(world):
    nation, c = parent_and_child(world)
    envelope = {"path": [nation.org], "orig": base64.b64encode(c.flash()).decode()}
    a = c.post([c.line("envelope", envelope, False)])
    equal((a.status, a.json), (403, {"why": "loop"}), a)
    assert "loop" in nation.alarms(), nation.alarms()


def test_versions(world):
    nation, c = parent_and_child(world)
    for method, path in (("POST", "/chain/2/up"), ("GET", "/chain/9/head"), ("GET", "/chain/")):
        equal(c.ask(method, path).status, 426, path)
    refused(c.post([c.digest(1, v=2)]), "schema", 1)
    # a member of tomorrow is ignored unless the sender insists
    a = c.post([c.digest(1, tomorrow={"x": 1})])
    equal((a.status, a.json["rej"]), (200, []), a)
    refused(c.post([c.digest(1, tomorrow=1, crit=["tomorrow"])]), "schema", 3)


def test_http(world):
    """Methods, paths, headers and garbage: always a sane 4xx or a closed connection, and the next request is served."""
    nation, c = parent_and_child(world)
    good = c.digest(1)
    rng = random.Random(7)
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"):
        for path in ("/", "/chain/1/up", "/chain/1/head", "/chain/1/down", "/chain/1/nothing", "/chain/1/../../etc/passwd", "/%2e%2e/",
                     "/chain/1/down?after=x", "/chain/1/down?after=1&wait=99999", "/chain/1/down?after=99999999999999999999",
                     "/" + "a" * 2000, "/api/1/status", "/metrics"):
            try:
                a = c.ask(method, path)
            except (OSError, by_hand.http.client.HTTPException):
                continue
            right = (200, 204) if (method, path) == ("GET", "/chain/1/head") else range(400, 500)
            assert a.status in right, "%s %s: %r" % (method, path, a)
    for headers in ({"Chain-Range": "x"}, {"Chain-Range": "1/2-1"}, {"Chain-Range": "1/0-1"}, {"Chain-Range": "1/1-99999999999999999999"},
                    {"Content-Digest": None}, {"Content-Digest": "sha-256=:AAAA:"}, {"Content-Digest": "md5=:AAAA:"}):
        a = c.post_body(good + b"\n", None, **{k.replace("-", "_"): v for k, v in headers.items()})
        equal(a.status, 400, headers)
    equal(c.ask("POST", "/chain/1/up", iter([b"x"]), {"Transfer-Encoding": "chunked"}).status, 411, "chunked")
    for _ in range(60):
        sock = c.context.wrap_socket(by_hand.http.client.socket.create_connection(("127.0.0.1", nation.port), 10),
                                     server_hostname="127.0.0.1")
        sock.sendall(bytes(rng.choice(b"GETPOST /chain1up\r\n:;\x00\xff ") for _ in range(rng.randrange(400))))
        sock.close()
    equal(c.post([good]).status, 200, "an honest one")
    world.balanced(nation, 1)


def test_flood(world):
    """One that sends as fast as it can is told to wait; eight good ones beside it do not notice."""
    nation, bad = parent_and_child(world, settings={"chain.child_rate": 50, "chain.child_burst": 500})
    good = []
    for i in range(8):
        firm = world.node("good%d" % i, "enterprise", [nation], region="370500", sector="C26", start=False)
        good.append(by_hand.Child(firm, nation))

    def rounds(seconds):
        """p99 of the good ones' POSTs, ms; at a pace that the limit allows."""
        took, wrong = [], []
        end = time.monotonic() + seconds

        def one(c):
            while time.monotonic() < end:
                line = c.digest(1)
                began = time.monotonic()
                a = c.post([line])
                took.append(time.monotonic() - began)
                if a.status != 200:
                    wrong.append(a)
                time.sleep(0.1)
        threads = [threading.Thread(target=one, args=(c,)) for c in good]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(wrong, [], "answers to good ones")
        return sorted(took)[len(took) * 99 // 100] * 1000

    answers, stop = [], threading.Event()

    def flood():
        c = by_hand.Child(world.nodes["firm"], nation)
        while not stop.is_set():
            try:
                answers.append(c.post_body(b"junk"))
                answers.append(c.ask("GET", "/chain/1/head"))
            except (OSError, by_hand.http.client.HTTPException):
                pass

    quiet = rounds(2)
    first = bad.post([bad.digest(1) for _ in range(400)])
    equal(first.status, 200, "a burst")
    flooder, began = threading.Thread(target=flood), time.monotonic()
    flooder.start()
    loud = rounds(4)
    stop.set()
    flooder.join()
    kinds = {a.status for a in answers}
    limited = [a for a in answers if a.status == 429]
    assert limited and all(int(a.headers["Retry-After"]) >= 1 for a in limited), kinds
    allowed = len(answers) - len(limited)
    assert allowed <= 120 + 50 * (time.monotonic() - began), "%d of %d were answered" % (allowed, len(answers))
    print("p99 %.0f ms alone, %.0f ms beside the flood (%d requests)" % (quiet, loud, len(answers)))
    assert loud < max(250, quiet * 5), "p99 %.0f ms alone, %.0f ms beside the flood" % (quiet, loud)
    world.balanced(nation, 400 + sum(c.n for c in good))
    wait_for(lambda: bad.ask("GET", "/chain/1/head").status == 200, what="the limit passes")


def test_strangers(world):
    """Whoever connects and says nothing keeps nobody out, though the process may open few files."""
    nation = world.node("nation", "nation", start=False)
    with open(world.path("few"), "w") as f:
        f.write('#!/bin/sh\nulimit -n 700 && exec "%s" "$@"\n' % nation.binary)
    os.chmod(world.path("few"), 0o700)
    nation.binary = world.path("few")
    nation.start()
    firm = world.node("firm", "enterprise", [nation], region="370500", sector="C26", start=False)
    c = by_hand.Child(firm, nation)
    equal(c.post([c.digest(1)]).status, 200, "before")
    held = []
    for _ in range(900):
        held.append(by_hand.http.client.socket.create_connection(("127.0.0.1", nation.port), 10))
    for _ in range(5):
        equal(c.post([c.digest(1)]).status, 200, "on the connection that it has")
        c.close()
        began = time.monotonic()
        equal(c.ask("GET", "/chain/1/head").status, 200, "on a new one")
        assert time.monotonic() - began < 10
    files = len(os.listdir("/proc/%d/fd" % nation.child.pid))
    assert files < 500, files
    world.balanced(nation, 6)
    for s in held:
        s.close()
