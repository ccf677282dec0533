"""The spool torn and damaged on purpose, too small, and on a full disk: what is left arrives in order,
what is lost is said and counted."""
import glob
import os
import shutil
import signal
import subprocess
import time

from kit import PUMP, Redis, difference, ok, done, path, run, sequence, skip, spawn, wait_for

KEY = "bongsu:alerts:{pump}"
MIB = 1024 * 1024
redis = Redis("spool")


def segments(folder):
    return sorted(glob.glob(os.path.join(folder, "redis-*", "*.seg")))


def fill(folder, lines, epoch=1, size=16 * MIB, padding=400):
    """A live pump that never reaches Redis, killed when it has spooled everything."""
    child = spawn([PUMP, "-n", str(lines), "-r", "20000", "-l", "-e", str(epoch), "-d", folder, "-b", str(size), "-p", str(padding), "-w", "600",
                   "redis+unix://%s?key=%s" % (redis.socket, "k")], stderr=subprocess.PIPE, text=True)
    end = b'"n":%d}' % lines
    wait_for(lambda: any(end in open(s, "rb").read() for s in segments(folder)[-1:]), 20)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return child.stderr.read()


def deliver(folder, epoch, lines=10, size=16 * MIB):
    """The next run, with Redis there: what is in the stream, what was said."""
    redis.ask("DEL", "k")
    status, out, err = run([PUMP, "-n", str(lines), "-l", "-e", str(epoch), "-d", folder, "-b", str(size), "-w", "10", redis.url(key="k")])
    return redis.ids("k"), status, err


redis.kill()
for name in ("torn", "middle", "header", "zeros", "gone", "full", "clean"):
    fill(path(name), 20000, size=16 * MIB if name != "full" else 4 * MIB)
redis.start()

got, status, err = deliver(path("clean"), 2)
ok(status == 0 and got == sequence(1, 20000) + sequence(2, 10), "killed sensor: everything it spooled arrives",
   difference(sequence(1, 20000) + sequence(2, 10), got) + err)

# The last record of the newest segment is cut.
last = segments(path("torn"))[-1]
os.truncate(last, os.path.getsize(last) - 100)
got, status, err = deliver(path("torn"), 2)
want = sequence(1, 19999) + sequence(2, 10)
ok(status == 0 and got == want, "torn end: all but the torn event arrive", difference(want, got) + err)
ok("cut" in err and "not finished" in err, "torn end: said", err)

# Bytes in the middle of a record are something else.
first = segments(path("middle"))[0]
with open(first, "r+b") as f:
    f.seek(os.path.getsize(first) // 2)
    f.write(b"damage damage damage")
got, status, err = deliver(path("middle"), 2)
lost = 20010 - len(got)
ok(status == 0 and 1 <= lost <= 2 and got == sorted(got) and got[-1] == (2, 10), "damage in the middle: the rest arrives",
   "lost %d %s" % (lost, err))
ok("%d events lost, the rest goes on" % lost in err, "damage in the middle: the loss is said", err)
ok(len(glob.glob(os.path.join(path("middle"), "redis-*", "*.damaged"))) == 1, "damage in the middle: the segment is set aside")

# A length that claims more than there is.
first = segments(path("header"))[0]
with open(first, "r+b") as f:
    f.seek(8)
    f.write(b"\xff\xff\xff\x7f")
got, status, err = deliver(path("header"), 2)
ok(got == sequence(1, 20000, 2) + sequence(2, 10), "damaged length: only that event is lost", difference(sequence(1, 20000, 2), got) + err)

# A page of zeros, as some file systems leave after a power cut.
last = segments(path("zeros"))[-1]
size = os.path.getsize(last)
with open(last, "r+b") as f:
    f.seek(size - 4096)
    f.write(bytes(4096))
got, status, err = deliver(path("zeros"), 2)
n = len(got) - 10
ok(19980 < n < 20000 and got == sequence(1, n) + sequence(2, 10), "a page of zeros at the end is cut", "%d %s" % (n, err))

# A segment is no file of ours at all.
first = segments(path("gone"))[0]
with open(first, "wb") as f:
    f.write(os.urandom(100000))
got, status, err = deliver(path("gone"), 2)
ok(status == 0 and got[-10:] == sequence(2, 10) and got == sorted(got), "a segment of noise: never a refusal to start", err)
ok("damaged" in err, "a segment of noise: said", err)

# Smaller than what came: the oldest are dropped and counted.
got, status, err = deliver(path("full"), 2, size=4 * MIB)
kept = [i for i in got if i[0] == 1]
ok(0 < len(kept) < 20000 and kept == sequence(1, 20000, kept[0][1]), "spool too small: the newest are kept, without holes", len(kept))

# The same, said and counted while it runs.
redis.kill()
status, out, err = run([PUMP, "-n", "20000", "-r", "20000", "-l", "-e", "9", "-d", path("said"), "-b", str(4 * MIB), "-w", "1", redis.url(key="said")])
redis.start()
ok(status == 1 and "spool full: the oldest" in err and "events are lost" in err, "spool too small: said", err)

# Damaged while the sensor runs and Redis is away.
redis.kill()
child = spawn([PUMP, "-n", "20000", "-r", "20000", "-l", "-e", "3", "-d", path("live"), "-b", str(16 * MIB), "-w", "20", redis.url(key="live")],
              stderr=subprocess.PIPE, text=True)
wait_for(lambda: len(segments(path("live"))) == 3)
time.sleep(0.5)
first = segments(path("live"))[0]
with open(first, "r+b") as f:
    f.seek(os.path.getsize(first) // 3)
    f.write(b"y" * 50)
redis.start()
status = child.wait(60)
err, got = child.stderr.read(), redis.ids("live")
ok(19998 <= len(got) < 20000 and got == sorted(got) and got[-1] == (3, 20000), "damaged while running: the rest arrives", "%d %s" % (len(got), err))
ok("is damaged, set aside" in err, "damaged while running: said", err)

# Two sensors of one name on one machine.
child = spawn([PUMP, "-n", "100000", "-r", "10", "-l", "-e", "3", "-d", path("both"), redis.url(key="both")], stderr=subprocess.PIPE)
wait_for(lambda: redis.ask("EXISTS", "both") == 1)
status, out, err = run([PUMP, "-n", "1", "-l", "-e", "4", "-d", path("both"), redis.url(key="both")])
ok(status == 1 and "in use by another process" in err, "one spool, two processes: refused", err)
child.kill()

# A full disk: a small file system of our own.
small = path("small")
os.makedirs(small)
script = ('mount -t tmpfs -o size=3m none "$1" || exit 77; shift; exec "$@"')
args = [PUMP, "-n", "30000", "-r", "20000", "-l", "-e", "4", "-d", small, "-b", str(64 * MIB), "-w", "3"]
probe = run(["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs none "%s"' % small])
if probe[0] != 0:
    skip("full disk", "no name space to mount a small file system in")
else:
    out_file = path("full.json")
    status, out, err = run(["unshare", "-Urm", "sh", "-c", script, "sh", small, *args, redis.url(key="disk"), "file:" + out_file])
    got = redis.ids("disk")
    ok(got == sequence(4, 30000), "full disk with Redis there: nothing is lost", difference(sequence(4, 30000), got) + err)
    ok("No space left on device" in err, "full disk: said", err)
    redis.kill()
    os.unlink(out_file)
    status, out, err = run(["unshare", "-Urm", "sh", "-c", script, "sh", small, *args, redis.url(key="disk2"), "file:" + out_file])
    with open(out_file) as f:
        written = sum(1 for line in f)
    ok(written == 30000, "full disk and Redis away: the file gets all", written)
    ok("disk full: the oldest" in err and status == 1, "full disk and Redis away: the loss is said", err)
done()
