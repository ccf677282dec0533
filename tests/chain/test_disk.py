"""Disks that are full, on small file systems in memory. The child merges what waits and drops nothing; a parent asks for digests
to wait and takes what hurries; both go on when there is room."""
import json
import os
import subprocess
import time

import kit
from harm import Rig, check, equal, soon

MIB = 1 << 20


def small_disk(world, name, mib):
    """A file system of its own in place of a folder; it goes with the test."""
    folder = world.path(name)
    os.makedirs(folder, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % mib, "tmpfs", folder], stderr=subprocess.DEVNULL).returncode != 0:
        raise kit.Skip("a small disk: mounting a tmpfs is refused here")
    return folder


def free(folder):
    s = os.statvfs(folder)
    return s.f_bavail * s.f_frsize


def fill(folder, leave=0):
    """Somebody else's bytes, but for the last @leave."""
    name = os.path.join(folder, "filler")
    with open(name, "ab") as f:
        while free(folder) > leave:
            try:
                f.write(b"x" * min(65536, max(4096, free(folder) - leave)))
                f.flush()
            except OSError:
                break
    return name


def unmount(*folders):
    for folder in folders:
        subprocess.run(["umount", "-l", folder], stderr=subprocess.DEVNULL)


def test_the_disk_of_the_child_is_full(world):
    folder = small_disk(world, "enterprise", 24)
    try:
        # two frames a request: the others are windows still, that may be merged
        rig = Rig(world, province={"settings": {"chain.window_frames": 2}}, enterprise={"settings": {"store.reserve": 4}})
        f = rig.feeders[0]
        f.feed(10, flash=True)
        rig.settles("before")
        soon(lambda: os.path.exists(os.path.join(folder, "reserve")), "the reserve is there")
        rig.province.stop()

        def wait():
            f.feed(2)
            return rig.enterprise.number("SELECT count(*) FROM link_wait WHERE rank >= 2") >= 4

        soon(wait, "windows wait")
        filler = fill(folder)

        def coarser():
            f.feed(20)
            return rig.enterprise.ledger("coarsened")

        soon(coarser, "windows become coarser", seen=rig.enterprise.log)
        check(not os.path.exists(os.path.join(folder, "reserve")), "the reserve is in use")
        soon(lambda: rig.enterprise.alarm("disk-full"), "and it is an alarm", seen=rig.enterprise.log)
        lines = rig.enterprise.ledger("coarsened")
        check(all(line["to_s"] in (3600, 86400) and line["windows"] > 1 and line["events"] > 0 for line in lines),
              "the ledger says what was merged", lines)
        # what hurries goes on
        rig.province.start()
        f.feed(5, flash=True)
        rig.settles("while the disk is full")
        beat = rig.province.number("SELECT beat_ms FROM child WHERE org = ?", rig.enterprise.org)
        soon(lambda: rig.province.number("SELECT beat_ms FROM child WHERE org = ?", rig.enterprise.org) > beat + 1500, "beats go on")
        told = json.loads(rig.province.rows("SELECT beat FROM child WHERE org = ?", rig.enterprise.org)[0][0])
        check(told["hl"]["disk_pct"] >= 90 and told["alarms"] > 0, "and say so", told)
        coarse = rig.province.number("SELECT count(*) FROM frame WHERE org = ? AND res >= 3600", rig.enterprise.org)
        check(coarse > 0, "coarse windows came")
        # a start with a full disk
        rig.enterprise.kill()
        rig.enterprise.start()
        f.feed(5, flash=True)
        rig.settles("after a start with a full disk")
        os.unlink(filler)
        f.feed(5)
        rig.settles("with room again")
        soon(lambda: os.path.exists(os.path.join(folder, "reserve")), "the reserve is back")
        rig.ends()
    finally:
        unmount(folder)


def test_the_disk_of_the_parent_is_full(world):
    folder = small_disk(world, "province", 48)
    try:
        rig = Rig(world, province={"settings": {"store.reserve": 4}})
        f = rig.feeders[0]
        f.feed(10, flash=True)
        rig.settles("before")
        soon(lambda: os.path.exists(os.path.join(folder, "reserve")), "the reserve is there")

        def full():  # somebody takes every byte that comes free, the reserve too
            fill(folder)
            f.feed(2)
            return "store-full" in rig.province.log()           # there may be no room to write the alarm down

        soon(full, "the parent says that it is full", seen=rig.province.log)
        time.sleep(1.5)
        held = rig.province.held_of(rig.enterprise)
        f.feed(20, flash=True)
        soon(lambda: rig.province.flashes() == f.kinds, "flashes are taken still", seen=rig.where)
        beat = rig.province.number("SELECT beat_ms FROM child WHERE org = ?", rig.enterprise.org)
        soon(lambda: rig.province.number("SELECT beat_ms FROM child WHERE org = ?", rig.enterprise.org) > beat + 1500, "beats are taken still")
        equal(rig.province.held_of(rig.enterprise), held, "digests wait")
        soon(lambda: rig.enterprise.number("SELECT count(*) FROM link_wait WHERE rank >= 2") > 1, "at the child")
        soon(lambda: rig.nation.alarm("child-full"), "the nation is told, and has an alarm")
        told = json.loads(rig.nation.rows("SELECT beat FROM child WHERE org = ?", rig.province.org)[0][0])
        check(told["hl"]["disk_pct"] >= 90 and told["alarms"] > 0, "by the parent's beats", told)
        os.unlink(os.path.join(folder, "filler"))
        rig.settles("with room again")
        rig.ends()
    finally:
        unmount(folder)
