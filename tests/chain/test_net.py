"""A link that is cut for real: enterprise and province in network namespaces of their own, and between them a cable that delays,
loses every second packet, or is cut. What was told and what is covered are the same set in the end, and what hurries comes first.
SOAK_SECONDS=1800 (`make soak`) does so for half an hour."""
import os
import random
import subprocess
import sys
import time

import kit
from harm import Rig, check, equal, soon

SECONDS = int(os.environ.get("SOAK_SECONDS", "0"))
HERE = os.path.dirname(os.path.abspath(__file__))
WHOLE, SLOW, HALF, CUT = (0, 0, 0), (0, 150, 100), (0.5, 20, 10), (1, 0, 0)
NAMES = {WHOLE: "whole", SLOW: "slow", HALF: "losing every second packet", CUT: "cut"}


def namespace():
    """A process that keeps one."""
    keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo up; exec sleep infinity"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    said = keeper.stdout.readline().strip()
    if said != "up":
        raise kit.Skip("a real cut: network namespaces are refused here: " + said)
    return keeper.pid


class Cable:
    def __init__(self, a, b):
        self.child = subprocess.Popen([sys.executable, os.path.join(HERE, "wire.py"), str(a), "child", "10.77.0.2/24", str(b), "parent",
                                       "10.77.0.1/24"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.child.stdout.readline().strip() != "up":
            raise kit.Skip("a real cut: no TUN interface can be made here: " + self.child.stderr.read().strip().splitlines()[-1])

    def be(self, how):
        print("%s: the cable is %s" % (time.strftime("%H:%M:%S"), NAMES[how]), flush=True)
        self.child.stdin.write("%g %g %g\n" % how)
        self.child.stdin.flush()

    def end(self):
        self.child.stdin.close()
        return self.child.stdout.readline()


def phases():
    """What the cable is like, and for how long."""
    yield from ((WHOLE, 2), (SLOW, 5), (HALF, 15), (WHOLE, 3), (CUT, 12))
    chance, end = random.Random(7), time.monotonic() + SECONDS - 60
    while time.monotonic() < end:
        yield WHOLE, 30
        for how in chance.sample((SLOW, HALF, CUT), 3):
            yield how, chance.uniform(10, 240)


def test_a_link_that_is_cut(world):
    child, parent = namespace(), namespace()
    cable = Cable(child, parent)
    inside = ["nsenter", "--net=/proc/%d/ns/net" % parent]
    rig = Rig(world, sensors=2, nation={"wrap": inside}, province={"wrap": inside, "place": "10.77.0.1"},
              enterprise={"wrap": ["nsenter", "--net=/proc/%d/ns/net" % child]})
    a, b = rig.feeders
    a.feed(5, flash=True)
    b.feed(5)
    rig.settles("before")
    how = WHOLE
    for how, seconds in phases():
        cable.be(how)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            a.feed(3)
            b.feed(2)
            time.sleep(1)
        b.feed(1, flash=True)
        if how == CUT:
            check(rig.nation.flashes() < sum(f.kinds for f in rig.feeders), "nothing comes through a cable that is cut")
    cut_at = rig.province.number("SELECT max(received_ms) FROM frame")
    cable.be(WHOLE)
    rig.settles("after it was mended", seconds=120 + SECONDS)
    if how == CUT:
        came = [at for at, in rig.province.rows("SELECT DISTINCT received_ms FROM frame WHERE received_ms > ? ORDER BY 1", cut_at)]
        flash = rig.province.number("SELECT max(at_ms) FROM flash")
        # one request may have been under way when the cable was cut
        check(flash <= came[min(1, len(came) - 1)], "what hurries comes first", "flash %d, digests %s" % (flash, came))
    covered = rig.province.rows("SELECT epoch, from_n, to_n FROM child_cov WHERE org = ? ORDER BY to_n", rig.enterprise.org)
    equal(covered, sorted(((f.epoch, 1, f.n) for f in rig.feeders), key=lambda r: r[2]), "what was told is what is covered")
    packets, lost = (int(word) for word in cable.end().split()[::2])
    check(lost > 5, "the cable has lost packets", "%d of %d" % (lost, packets))
    rig.ends()


test_a_link_that_is_cut.seconds = 400 + 2 * SECONDS
