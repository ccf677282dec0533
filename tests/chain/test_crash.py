"""The process dies at each point where it writes or sends, at the child and at the parent. After each new start everything that
was told is counted once at every tier, and what hurries has arrived."""
import glob
import os
import re
import signal

import kit
from harm import PATIENCE, Rig, check, equal, soon

RECOVERS = 5  # s, from the start of the process to being up
WITHOUT = {"enterprise": ("accept",), "province": ("intake", "digest"), "nation": ("intake", "digest", "link", "uplink", "ledger")}
TIMES = {"store": (2, 9, 40)}  # which time it dies there; commits are many, and of many kinds


def points(without):
    """The points in the sources, but for those that a role never comes by."""
    found = set()
    for name in glob.glob(os.path.join(kit.ROOT, "aggregator", "*.c")):
        with open(name) as f:
            found |= set(re.findall(r'\bFAULT\("([^"]+)"\)', f.read()))
    return [(p, t) for p in sorted(found) if not p.startswith(without) for t in TIMES.get(p.split(".")[0], (1, 4))]


def dies_everywhere(world, role):
    rig = Rig(world)
    feeder, victim = rig.feeders[0], getattr(rig, role)
    feeder.feed(10, flash=True)
    rig.settles("before any crash")
    for i, (point, time) in enumerate(points(WITHOUT[role])):
        victim.stop()
        victim.start(fault="%s:%d" % (point, time))

        def dead():
            if victim.alive():
                feeder.feed(3, flash=feeder.n % 30 < 3)
            return not victim.alive()

        soon(dead, "%s comes by %s" % (role, point))
        equal(victim.child.returncode, -signal.SIGKILL, "how it ended at %s" % point)
        took = victim.launch()
        check(took <= RECOVERS, "%s is up again soon after %s" % (role, point), "%.1f s" % took)
        feeder.feed(3)
        soon(rig.whole if role == "nation" else rig.at_province, "every event once after dying at %s, time %d" % (point, time), PATIENCE, rig.where)
    rig.settles("after dying everywhere")
    rig.ends()


def test_the_child_dies_at_each_point(world):
    dies_everywhere(world, "enterprise")


def test_the_parent_dies_at_each_point(world):
    dies_everywhere(world, "province")


def test_the_top_dies_at_each_point(world):
    dies_everywhere(world, "nation")
