"""Stores torn, overwritten, emptied, put back from a backup or a snapshot, and a machine that runs twice. What the parent and Redis
still have is counted once; what is gone is said."""
import glob
import os
import random
import shutil
import sqlite3

import kit
from harm import Feeder, Rig, Tier, check, equal, soon

PARTS = ("chain.db", "chain.db-wal", "chain.db-shm")


def file_of(node, part="chain.db"):
    return os.path.join(node.folder, part)


def overwrite(node):
    """Pages in the middle: another's bytes."""
    with open(file_of(node), "r+b") as f:
        pages = os.path.getsize(f.name) // 4096
        for page in range(pages // 3, pages):
            f.seek(page * 4096)
            f.write(random.Random(page).randbytes(4096))


def empty(node):
    os.truncate(file_of(node), 0)


def garbage(node):
    with open(file_of(node), "wb") as f:
        f.write(random.Random(7).randbytes(50000))


def halve(node):
    os.truncate(file_of(node), os.path.getsize(file_of(node)) // 2)


def vanish(node):
    os.unlink(file_of(node))
    for part in PARTS[1:]:
        if os.path.exists(file_of(node, part)):
            os.unlink(file_of(node, part))


def save(node):
    """A backup of a node that stands still."""
    folder = node.folder + ".backup"
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for part in PARTS:
        if os.path.exists(file_of(node, part)):
            shutil.copy(file_of(node, part), folder)


def put_back(node):
    for part in PARTS:
        if os.path.exists(file_of(node, part)):
            os.unlink(file_of(node, part))
        kept = os.path.join(node.folder + ".backup", part)
        if os.path.exists(kept):
            shutil.copy(kept, node.folder)


def damage_each_way(world, role):
    rig = Rig(world, sensors=2)
    victim = getattr(rig, role)
    for f in rig.feeders:
        f.feed(20, flash=True)
    rig.settles("before")
    for i, harm in enumerate((overwrite, empty, garbage, halve)):
        victim.stop()  # all is in the file, nothing in the log
        harm(victim)
        victim.start()
        rig.feeders[0].feed(8, flash=True)
        check(victim.alarm("store-damaged"), "%s is an alarm" % harm.__name__, victim.log())
        equal(len(glob.glob(file_of(victim, "chain.db.damaged-*[0-9]"))), i + 1, "stores set aside after " + harm.__name__)
        rig.settles("%s, after: %s" % (role, harm.__name__))
    status, said = victim.verify()
    check(status != 0 and "are not here" in said, "the ledger says which of its lines went", said)
    victim.stop()
    vanish(victim)
    victim.start()
    check(victim.alarm("ledger-gap"), "a store that is gone is said by the ledger", victim.log())
    rig.feeders[1].feed(8)
    rig.settles(role + ", after: vanish")
    # killed, and its log cut in the middle: an older state, and none of it twice
    for cut in (0.3, 0.7):
        rig.feeders[0].feed(5)
        rig.settles("before the log is cut")
        victim.kill()
        wal = file_of(victim, "chain.db-wal")
        os.truncate(wal, int(os.path.getsize(wal) * cut))
        victim.start()
        rig.feeders[0].feed(5, flash=True)
        rig.settles("%s, after its log was cut at %.1f" % (role, cut))
    rig.ends(whole=False)


def test_the_store_of_the_child_is_damaged(world):
    damage_each_way(world, "enterprise")


def test_the_store_of_the_parent_is_damaged(world):
    damage_each_way(world, "province")


def test_what_is_gone_everywhere_is_lost_with_a_reason(world):
    """Waiting windows go with the store, and Redis has trimmed their events."""
    rig = Rig(world)
    f = rig.feeders[0]
    f.feed(20)
    rig.settles("before")
    rig.province.stop()
    f.feed(30)
    soon(lambda: rig.enterprise.rows("SELECT 1 FROM position WHERE n = ?", f.n), "all is folded")
    rig.enterprise.stop()
    rig.redis.ask("XTRIM", f.key, "MAXLEN", 0)
    garbage(rig.enterprise)
    rig.enterprise.start()
    rig.province.start()
    f.feed(10)
    rig.settles("what is gone everywhere", anything=True)
    equal(sum(rig.nation.lost().values()), 30, "lost with a reason: just what nobody has")
    check(any("gone from Redis" in text for text in rig.enterprise.alarm("events-lost")), "and is an alarm")
    rig.ends(whole=False)


def test_a_window_that_cannot_be_read(world):
    """The pages are sound and what is in them is not: found when it is to be sent."""
    rig = Rig(world)
    f = rig.feeders[0]
    f.feed(10)
    rig.settles("before")
    rig.province.stop()
    f.feed(10)
    soon(lambda: rig.enterprise.number("SELECT count(*) FROM link_wait") > 1, "windows wait")
    rig.enterprise.stop()
    db = sqlite3.connect(file_of(rig.enterprise))
    # the newest: of the oldest the province may have had the bytes before it went
    db.execute("UPDATE link_wait SET blob = x'00ff' WHERE id = (SELECT max(id) FROM link_wait)")
    db.commit()
    db.close()
    rig.enterprise.start()
    rig.province.start()
    soon(lambda: not rig.enterprise.alive(), "it ends")
    equal(rig.enterprise.child.returncode, 4, "exit status")
    check("damaged" in rig.enterprise.log(), "and says why", rig.enterprise.log())
    rig.enterprise.start()
    check(rig.enterprise.alarm("store-damaged"), "the store was set aside", rig.enterprise.log())
    rig.settles("after a window that could not be read")
    rig.ends(whole=False)


def test_the_parent_is_put_back_to_yesterday(world):
    rig = Rig(world)
    f = rig.feeders[0]
    f.feed(20, flash=True)
    rig.settles("yesterday")
    rig.province.stop()
    save(rig.province)
    rig.province.start()
    for _ in range(3):
        f.feed(15, flash=True)
        rig.settles("today")
    rig.province.kill()
    put_back(rig.province)
    rig.province.start()
    f.feed(5)
    rig.settles("after the parent was put back")
    alarms = rig.enterprise.alarm("dur-back") + rig.enterprise.alarm("new-epoch")
    check(alarms, "the child has seen it go back", rig.enterprise.log())
    rig.ends(whole=False)


def test_the_child_is_put_back_to_a_snapshot(world):
    rig = Rig(world)
    f = rig.feeders[0]
    f.feed(20, flash=True)
    rig.settles("at the snapshot")
    rig.enterprise.stop()
    save(rig.enterprise)
    rig.enterprise.start()
    before = rig.province.rows("SELECT ep FROM child WHERE org = ?", rig.enterprise.org)
    for _ in range(2):
        f.feed(15, flash=True)
        rig.settles("after the snapshot")
    rig.enterprise.stop()
    put_back(rig.enterprise)
    rig.enterprise.start()
    f.feed(5)
    rig.settles("after the child was put back")
    check(rig.province.rows("SELECT ep FROM child WHERE org = ?", rig.enterprise.org) > before, "a new epoch began")
    status, said = rig.enterprise.verify()
    check(status != 0 and "are not here" in said, "its ledger says which lines went", said)
    rig.ends(whole=False)


def test_a_machine_that_runs_twice(world):
    """Two that are one: the same identity from one state on. Whether they use the same numbers for other bytes, which are set aside, or
    ask where they stand before they send and use none of the other's: it is an alarm, and nothing counts twice."""
    rig = Rig(world)
    f = rig.feeders[0]
    f.feed(20)
    rig.settles("before")
    rig.enterprise.stop()
    twin = world.nodes["twin"] = Tier(world, "twin", "enterprise", redis=world.redis("twin"))
    twin.parents, twin.org = rig.enterprise.parents, rig.enterprise.org
    other = Feeder(twin.redis, "plant-9")
    shutil.rmtree(twin.folder)
    shutil.copytree(rig.enterprise.folder, twin.folder)
    twin.configure()
    rig.enterprise.start()
    twin.start()

    def seen():
        f.feed(2)
        other.feed(2)
        return rig.province.alarm("equivocation")

    soon(seen, "two that run as one are an alarm")
    twin.kill()
    f.feed(5)
    # what the twin could tell counts, and all that the true one told
    mine = "SELECT sum(to_n - from_n + 1) FROM child_cov WHERE org = ? AND sensor = " \
           "(SELECT sensor FROM child_cov WHERE org = ? ORDER BY to_n DESC LIMIT 1)"
    soon(lambda: rig.province.number("SELECT max(to_n) FROM child_cov WHERE org = ? AND from_n = 1", rig.enterprise.org) == f.n,
         "the true one goes on", seen=lambda: rig.province.rows("SELECT * FROM child_cov"))
    equal(rig.province.number(mine, rig.enterprise.org, rig.enterprise.org), f.n, "each of its events")
    covered = rig.province.number("SELECT sum(to_n - from_n + 1) FROM child_cov WHERE org = ?", rig.enterprise.org)
    events, *parts = rig.province.held_of(rig.enterprise)
    equal((events, sum(parts)), (covered, covered), "what is counted is what is covered")
    soon(lambda: rig.nation.sums() == rig.province.held_of(rig.enterprise), "and the nation has the same", seen=rig.where)
    rig.ends()
