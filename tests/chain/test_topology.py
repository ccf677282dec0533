"""Tiers and links: what is emitted at the bottom is accounted for at the top, once."""
import base64
import json
import os
import sqlite3
import time

import child as by_hand
from kit import RULES, equal, run, wait_for


def rows(node, sql, *args):
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(node.folder, "chain.db"), uri=True, timeout=10)
    try:
        return db.execute(sql, args).fetchall()
    finally:
        db.close()


def frames(node, org, kind):
    """The frames of a child as its parent keeps them."""
    lines = [json.loads(line) for (line,) in rows(node, "SELECT line FROM frame WHERE org = ? AND line <> '' ORDER BY id", org)]
    return [f for f in lines if f["t"] == kind]


def test_three_tiers(world):
    nation, province, firms = world.chain(enterprises=2)
    sensors = [f.sensor("plant") for f in firms]
    for s in sensors:
        s.emit(50)
        s.emit(5, kind="stats")
        s.emit(1, alert={"severity": 1}, bongsu={"verb": "stop"})
    world.balanced_at_all(sensors, [province, nation])
    wait_for(lambda: len(world.servers["nation"].feed("flash")) == 2, what="a flash of each at the nation")


def test_restarts(world):
    nation, province, (a,) = world.chain()
    s = a.sensor()
    s.emit(50)
    world.balanced(nation, 50)
    for node in (nation, province, a):
        node.kill()
        node.start()
    s.emit(50)
    replayed = a.replay("pcaps/demo", name="replayed")
    world.balanced(nation, 100 + replayed)
    nation.restart()
    world.balanced(nation, 100 + replayed)


def test_four_tiers(world):
    """Enterprise, park, province, nation: totals, originals and who reports, all the way up; `up` all the way down."""
    feed = world.redis("nation")
    nation = world.node("nation", "nation", feed=feed)
    province = world.node("province", "province", [nation], region="370000")
    park = world.node("park", "park", [province], region="370500")
    firms = [world.enterprise("a", [park]), world.enterprise("b", [park], sector="D46")]
    other = world.enterprise("c", [province], region="370600")
    sensors = [f.sensor() for f in [*firms, other]]
    for s in sensors:
        s.emit(20)
        s.emit(1, alert={"severity": 1})
    world.balanced(park, sensors[0].n + sensors[1].n)
    world.balanced_at_all(sensors, [province, nation])
    # the nation has what each enterprise signed, byte for byte
    wait_for(lambda: len(rows(nation, "SELECT id FROM flash")) == 3, what="three flashes")
    for firm in [*firms, other]:
        ((line,),) = rows(nation, "SELECT line FROM flash WHERE org = ?", firm.org)
        key = by_hand.Key(os.path.join(firm.folder, "node.key"))
        assert by_hand.verify(key.public, line.encode()), line
        stranger = by_hand.Key()
        assert not by_hand.verify(stranger.public, line.encode())
    # the park hears that the nation has what it reported
    wait_for(lambda: park.link()["up"][1] > 0, what="up")
    # who reports, of all tiers below
    wait_for(lambda: [b for o, b in feed.feed("health") if o == province.org and b.get("kids", {}).get("reporting") == 4], what="kids")
    last = [b for o, b in feed.feed("health") if o == province.org][-1]
    equal(last["kids"], {"known": 4, "reporting": 4, "late": 0, "silent": 0}, "kids")
    roll_up = frames(nation, province.org, "rollup")[-1]
    equal(roll_up["kids"]["known"], 4, roll_up)
    equal(roll_up["path"][-1], province.org, roll_up["path"])


def test_a_province_that_invents(world):
    """The nation that was told of an enterprise's key takes only what that key signed from a province."""
    nation = world.node("nation", "nation", settings={"chain.reload": 1}, feed=world.redis("nation"))
    node = world.node("province", "province", [nation], region="370000", start=False)
    firm_node = world.node("firm", "enterprise", [node], region="370500", sector="C26", start=False)
    province, firm = by_hand.Child(node, nation), by_hand.Child(firm_node, node)

    def passed_on(line):
        orig = base64.b64encode(line).decode()
        equal(province.post([province.line("envelope", {"path": [node.org], "orig": orig}, False)]).status, 200, "envelope")
        return rows(nation, "SELECT verified FROM flash WHERE id = ?", json.loads(line)["id"])
    equal(passed_on(firm.flash(1)), [(0,)], "before: taken at the province's word, and kept as such")
    cert = os.path.join(firm_node.folder, "parents", node.org, "cert.pem")
    nation.do("enroll", "know", cert)
    wait_for(lambda: rows(nation, "SELECT org FROM child_key WHERE org = ?", firm.org), what="the key")
    equal(passed_on(firm.flash(2)), [(1,)], "from then on verified")
    firm.key, own = by_hand.Key(), firm.key
    equal(passed_on(firm.flash(3)), [], "by a key of the province's making")
    firm.key = own
    equal(passed_on(firm.flash(4).replace(b'"sev":1', b'"sev":2')), [], "with other words")
    assert "forged-original" in nation.alarms(), nation.alarms()
    equal(len(world.servers["nation"].feed("flash")), 2, "in the feed")
    equal([c["org"] for c in nation.status()["children"]], [node.org], "the firm is no child of the nation")


def test_two_parents(world):
    """The province counts, a sector's centre views: nothing twice, and the centre says that its sums are not all."""
    nation = world.node("nation", "nation")
    province = world.node("province", "province", [nation], region="370000")
    centre = world.node("centre", "group", [nation], sector="C26")
    firm = world.enterprise("firm", [province, (centre, {"link": "view", "level": 1, "severity": 2})])
    alien = world.enterprise("alien", [province, (centre, {"link": "view", "sector": "C26"})], sector="D46")
    sensors = [firm.sensor(), alien.sensor()]
    for s in sensors:
        s.emit(10)
        s.emit(2, alert={"severity": 1}, bongsu={"rule": RULES["read"]})
    world.balanced_at_all(sensors, [province, nation])
    wait_for(lambda: (centre.child_of(firm) or {"events": 0})["events"] == 12, what="the view")
    digests = frames(centre, firm.org, "digest")
    equal({f["link"] for f in digests}, {"view"}, "links")
    equal({f["link"] for f in frames(province, firm.org, "digest")}, {"count"}, "links")
    # severity: the milder ones are counted and not named
    equal({i["sev"] for f in digests for i in f["items"]}, {1}, "severities in the view")
    equal(sum(f["in"]["alerts"] for f in digests), 12, "alerts in the view")
    equal({i["sev"] for f in frames(province, firm.org, "digest") for i in f["items"]}, {1, 4}, "severities at the province")
    # sector: nothing but beats of the other
    equal(frames(centre, alien.org, "digest"), [], "of another sector")
    # nothing is summed at the centre, nor goes to the nation twice
    equal(centre.balance()["events"], 0, "summed at the centre")
    seen = centre.status()["children"]
    equal({c["link"] for c in seen if c["org"] == firm.org}, {"view"}, seen)
    text = centre.do("status")
    assert "view" in text and "partial" in text, text
    time.sleep(2)
    equal(nation.balance()["events"], 24, "at the nation")
    equal(frames(nation, centre.org, "rollup"), [], "roll-ups of the centre")


def test_view_of_a_province(world):
    """A province's roll-ups to a centre that views one sector: of that sector alone, and partial."""
    nation = world.node("nation", "nation")
    centre = world.node("centre", "group", listen=True)
    province = world.node("province", "province", [nation, (centre, {"link": "view", "sector": "C26"})], region="370000",
                          settings={"chain.k": 1})
    ours, theirs = world.enterprise("ours", [province]), world.enterprise("theirs", [province], sector="D46")
    sensors = [ours.sensor(), theirs.sensor()]
    sensors[0].emit(5)
    sensors[1].emit(9, bongsu={"rule": RULES["read"]})
    world.balanced_at_all(sensors, [province, nation])
    wait_for(lambda: [f for f in frames(centre, province.org, "rollup") if f["in"]["events"]], what="a roll-up")
    for f in frames(centre, province.org, "rollup"):
        equal((f["link"], f["partial"]), ("view", True), f)
        equal({c[0] for c in f["cells"]} - {"C26"}, set(), f["cells"])
        assert f["in"]["events"] in (0, 5), f["in"]
        assert f["kids"]["known"] == 1, f["kids"]
    equal({c[0] for f in frames(nation, province.org, "rollup") for c in f["cells"]}, {"C26", "D46"}, "sectors at the nation")
    assert not any("partial" in f for f in frames(nation, province.org, "rollup"))


def test_switching(world):
    """Which link counts is changed: a new epoch on both, every event summed once."""
    nation = world.node("nation", "nation")
    east = world.node("east", "province", [nation], region="370000")
    west = world.node("west", "province", [nation], region="610000")
    firm = world.enterprise("firm", [east, (west, {"link": "view"})])
    s = firm.sensor()
    s.emit(10)
    world.balanced_at_all([s], [east, nation])
    wait_for(lambda: (west.child_of(firm) or {"events": 0})["events"] == 10, what="the view")
    before = [firm.link(p)["sent"][0] for p in (east, west)]
    firm.parents = [(east, {"link": "view"}), (west, {})]
    firm.configure()
    firm.restart()
    s.emit(7)
    world.balanced(nation, 17)
    world.balanced(west, 7)
    world.balanced(east, 10)
    wait_for(lambda: all(firm.link(p)["sent"][0] > b for p, b in zip((east, west), before)), what="new epochs")
    wait_for(lambda: east.child_of(firm)["events"] == 17, what="the view")
    firm.parents = [(east, {}), (west, {"link": "view"})]
    firm.configure()
    firm.restart()
    s.emit(5)
    world.balanced(nation, 22)
    world.balanced(east, 15)
    world.balanced(west, 7)


def test_small_cells(world):
    """Of fewer than five firms the nation learns neither sector nor place, nor how many they are."""
    nation = world.node("nation", "nation")
    province = world.node("province", "province", [nation], region="370000")
    sensors = []
    for i in range(6):
        node = world.node("firm%d" % i, "enterprise", [province], region="370500", sector="C26" if i < 5 else "D46", start=False)
        sensors.append(by_hand.Child(node, province))
        c = sensors[-1]
        body = c.digest_body(2)
        equal(c.post([c.next(c.line("digest", body, True))]).status, 200, "a digest")
    b = world.balanced(nation, 12)
    equal(b["alerts"], 12, b)

    def cells():
        return [tuple(c) for c in frames(nation, province.org, "rollup")[-1]["cells"]]
    wait_for(lambda: len(cells()) == 2, what="two cells")
    of = {c[:2]: c for c in cells()}
    equal(set(of), {("C26", "370500"), ("*", "*")}, cells())
    equal(of["C26", "370500"][4:], (10, 10, 5), "five firms")
    equal(of["*", "*"][4:], (2, 2, 0), "fewer than five")
    # at home the province has them apart
    equal({r for r in rows(province, "SELECT DISTINCT ind FROM cell")}, {("C26",), ("D46",)}, "at the province")


def test_silent_children(world):
    """Known, reporting, late, silent: one that never came is known; one that went is late, then silent."""
    nation, province, (firm,) = world.chain()
    world.node("never", "enterprise", [province], region="370500", sector="C26", start=False)
    firm.stop()
    province.restart()  # nobody has reported since

    def kids():
        beats = [b for o, b in world.servers["nation"].feed("health") if o == province.org and "kids" in b]
        return beats and beats[-1]["kids"]
    wait_for(lambda: kids() == {"known": 2, "reporting": 0, "late": 0, "silent": 2}, what="two silent: %r" % kids())
    firm.start()
    wait_for(lambda: kids() == {"known": 2, "reporting": 1, "late": 0, "silent": 1}, what="one reports: %r" % kids())


def rollup_line(c, path, res=86400, **over):
    start = int(time.time()) // res * res
    body = {"tier": "province", "reg": "370000", "lvl": 1, "w": {"start": start, "end": start + res}, "res": res, "rev": 1, "part": 1,
            "parts": 1, "in": {"events": 1, "other": 0, "alerts": 1, "items": 1, "suppressed": 0, "sampled": 0, "withheld": 0, "lost": {}},
            "kids": {"known": 1, "reporting": 1, "late": 0, "silent": 0}, "cells": [], "path": path}
    body.update(over)
    return c.line("rollup", body, True)


def test_loops_and_depth(world):
    nation = world.node("nation", "nation")
    node = world.node("province", "province", [nation], region="370000", start=False)
    c = by_hand.Child(node, nation)
    ids = ["%032x" % i for i in range(10)]
    a = c.post([rollup_line(c, [ids[0], nation.org, node.org])])
    equal((a.status, a.json), (403, {"why": "loop"}), a)
    assert "loop" in nation.alarms(), nation.alarms()
    a = c.post([rollup_line(c, ids[:6])])
    equal((a.status, a.json), (403, {"why": "depth"}), "seven tiers")
    assert "depth" in nation.alarms(), nation.alarms()
    a = c.post([c.next(rollup_line(c, ids[:5]))])
    equal((a.status, a.json["rej"]), (200, []), "six nodes on the way")
    a = c.post([c.line("envelope", {"path": ids[:6], "orig": base64.b64encode(c.flash()).decode()}, False)])
    equal((a.status, a.json), (403, {"why": "depth"}), "an envelope that came too far")


def test_a_loop_of_nodes(world):
    """Two provinces that are each other's parent: found out, said at both, and nothing is counted twice."""
    east = world.node("east", "province", region="370000", start=False)
    west = world.node("west", "province", region="610000", start=False)
    east.add_parent(west)
    west.add_parent(east)
    east.start()
    west.start()
    firm = world.enterprise("firm", [east])
    firm.sensor().emit(5)
    wait_for(lambda: "loop" in east.alarms() | west.alarms(), what="an alarm")
    wait_for(lambda: "link-stopped" in east.alarms() | west.alarms(), what="a stopped link")
    time.sleep(2)
    assert east.balance()["events"] in (5, 10), east.balance()
    events = [n.balance()["events"] for n in (east, west)]
    time.sleep(2)
    equal([n.balance()["events"] for n in (east, west)], events, "nothing grows")


def test_configuration(world):
    """Mistakes are named, all of them, with their line."""
    good = {"url": "https://h:1", "org": "0" * 32}
    second = {"url": "https://h:1", "org": "1" * 32}
    wrong = [
        ([good, second], "exactly one parent has link: count"),
        ([dict(good, link="view")], "exactly one parent has link: count"),
        ([dict(good, severity=2)], "no filter"), ([dict(good, sector="C26")], "no filter"),
        ([good, dict(good, link="view")], "two parents are the same"),
        ([good] + [dict(good, org="%032x" % i, link="view") for i in range(4)], "at most 4"),
        ([dict(good, level=4)], "level is 0 to 3"), ([dict(good, link="both")], "link is count or view"),
        ([{"url": "https://h:1"}], "a url and an org"), ([dict(good, url="http://h:1")], "https://"),
        ([dict(good, org="x")], "32 hex digits"), ([dict(good, levle=1)], "no setting of a parent"),
    ]
    path = world.path("wrong.yaml")
    for parents, words in wrong:
        with open(path, "w") as f:
            json.dump({"node": {"folder": world.folder}, "parents": parents}, f, indent=1)
        status, _, err = run([world.node("any%d" % len(world.nodes), "enterprise", start=False, listen=False).binary, "-c", path, "-T"])
        assert status == 3 and words in err and "wrong.yaml:" in err, (parents, status, err)
