"""Feeds: what is accepted, what happens to cases and what goes wrong, as Redis streams bongsu:feed:{…} of each tier."""
import time

from kit import equal, wait_for


def test_every_kind(world):
    feeds = world.redis("feeds")
    nation = world.node("nation", "nation", feed=world.redis("nation"))
    province = world.node("province", "province", [nation], region="370000", feed=feeds, settings={"feed.keep": 100})
    firm = world.enterprise("firm", [province], feed=world.redis("site"))
    site = world.servers["site"]
    s = firm.sensor("plant")
    s.emit(30)
    s.emit(1, alert={"severity": 1}, bongsu={"verb": "stop"})
    s.emit(2, kind="stats")
    world.balanced(nation, 33)
    # digests and flashes as the firm signed them, at its parent; roll-ups at the nation; beats at both
    wait_for(lambda: sum(d["in"]["events"] for _, d in feeds.feed("digest")) == 33, what="every digest")
    places = [(d["ep"], d["sq"]) for _, d in feeds.feed("digest")]
    equal(places, sorted(set(places)), "each once and in order")
    equal({o for o, _ in feeds.feed("digest")}, {firm.org}, "of whom")
    equal([f["verb"] for _, f in feeds.feed("flash")], ["stop"])
    wait_for(lambda: world.servers["nation"].feed("rollup"), what="roll-ups")
    equal({o for o, _ in world.servers["nation"].feed("rollup")}, {province.org}, "of whom")
    equal([f["org"] for _, f in world.servers["nation"].feed("flash")], [firm.org], "the firm's own words, through the province")
    wait_for(lambda: {d["t"] for _, d in feeds.feed("health")} == {"beat"}, what="health")
    # a case: the object, then every step
    case = province.do("notice", "issue", "--to", firm.org, "--text", "look", "--deadline", "1d").strip()
    wait_for(lambda: "delivered" in [d.get("state") for _, d in feeds.feed("notice")], what="delivered")
    firm.do("notice", "sign", case)
    wait_for(lambda: "signed-for" in [d.get("state") for _, d in feeds.feed("notice")], what="signed for")
    equal([d.get("state", d.get("t")) for _, d in feeds.feed("notice") if d["case"] == case], ["notice", "delivered", "signed-for"])
    wait_for(lambda: [d.get("state", d.get("t")) for _, d in site.feed("notice")][:2] == ["notice", "delivered"], what="at the firm")
    # an alarm: a pack that nobody known signed
    key = world.path("nobody")
    nation.do("notice", "keygen", key)
    with open(world.path("pack"), "w") as f:
        f.write("{}\n")
    end = int(time.time()) + 3600
    sig = nation.do("pack", "sign", world.path("pack"), "--name", "x", "--version", 1, "--expires", end, "--key", key).strip()
    province.do("pack", "publish", world.path("pack"), "--name", "x", "--version", 1, "--expires", end, "--sig", sig)
    wait_for(lambda: "pack-refused" in [d["code"] for _, d in site.feed("alarm")], what="an alarm")
    # bounded by feed.keep, which Redis takes in whole nodes of a stream
    s.emit(1)
    wait_for(lambda: feeds.ask("XLEN", "bongsu:feed:{health}") <= 300, what="a bound")


def test_redis_away(world):
    feeds = world.redis("feeds")
    province = world.node("province", "province", region="370000", feed=feeds)
    firm = world.enterprise("firm", [province])
    s = firm.sensor("plant")
    s.emit(10)
    world.balanced(province, 10)
    wait_for(lambda: sum(d["in"]["events"] for _, d in feeds.feed("digest")) == 10, what="before")
    feeds.kill()
    s.emit(10)
    world.balanced(province, 20)  # nothing waits for a feed
    feeds.start()
    wait_for(lambda: sum(d["in"]["events"] for _, d in feeds.feed("digest")) == 10, what="what was queued meanwhile")
    if "feed: Redis answers again" not in province.log():
        wait_for(lambda: "feed: Redis answers again" in province.log(), what="said")
    s.emit(10)
    wait_for(lambda: sum(d["in"]["events"] for _, d in feeds.feed("digest")) == 20, what="and after")
    province.stop()
