"""kit.py - a private redis-server, a few words of its protocol, and TAP-like results."""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from resp import Client, Error  # noqa: E402 (found beside our folder)

SENSOR = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SENSOR", "build/bongsu-sensor"))
BUILD = os.path.dirname(SENSOR)
PUMP = os.path.join(BUILD, "redis", "pump")
TAIL = os.path.join(BUILD, "bongsu-tail")
FOLDER = tempfile.mkdtemp(prefix="bongsu-redis-")
children, count, failures = [], 0, 0


def clean():
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()
    shutil.rmtree(FOLDER, ignore_errors=True)


atexit.register(clean)


def ok(good, what, seen=""):
    global count, failures
    count += 1
    failures += not good
    print("%s %d - %s" % ("ok" if good else "not ok", count, what), flush=True)
    if not good and seen != "":
        print("# " + str(seen)[:2000].replace("\n", "\n# "), flush=True)
    return good


def skip(what, why):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, what, why), flush=True)


def done():
    print("1..%d" % count)
    sys.exit(1 if failures or not count else 0)


def path(name):
    return os.path.join(FOLDER, name)


def spawn(args, **more):
    child = subprocess.Popen(args, **more)
    children.append(child)
    return child


def run(args, timeout=60, **more):
    """Exit status, stdout, stderr of a program that must end."""
    try:
        end = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **more)
    except subprocess.TimeoutExpired as e:
        return -1, (e.stdout or b"").decode(), "timed out: " + (e.stderr or b"").decode()
    return end.returncode, end.stdout.decode(errors="replace"), end.stderr.decode(errors="replace")


def pump(*args, timeout=60):
    return run([PUMP, *map(str, args)], timeout=timeout)


def wait_for(condition, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Redis:
    """A server of our own in its own folder; stop(), start() again, SIGKILL."""

    def __init__(self, name, *options, port=0):
        self.folder, self.port = path(name), port
        os.makedirs(self.folder)
        self.socket = os.path.join(self.folder, "redis.sock")
        self.options = list(options)
        self.child = None
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        log = open(os.path.join(self.folder, "log"), "ab")
        self.child = spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket,
                            "--dir", self.folder, "--save", "", "--daemonize", "no", *self.options],
                           stdout=log, stderr=log)
        log.close()
        if not wait_for(self.answers):
            with open(os.path.join(self.folder, "log")) as f:
                sys.exit("redis-server did not start: " + f.read()[-2000:])

    def answers(self):
        try:
            return self.ask("PING") == "PONG"
        except (OSError, Error) as e:
            return "NOAUTH" in str(e)

    def client(self):
        return Client(self.socket)

    def ask(self, *words):
        client = self.client()
        try:
            return client(*words)
        finally:
            client.close()

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        self.child.terminate()
        self.child.wait()

    def url(self, **options):
        return with_options("redis+unix://" + self.socket, options)

    def tcp(self, **options):
        return with_options("redis://127.0.0.1:%d" % self.port, options)

    def length(self, key):
        return self.ask("XLEN", key)

    def ids(self, key):
        """Every id of a stream, in order."""
        found, start = [], "-"
        client = self.client()
        while True:
            page = client("XRANGE", key, start, "+", "COUNT", 5000)
            if not page:
                break
            found += [tuple(map(int, entry[0].split("-"))) for entry in page]
            start = "(" + page[-1][0]
        client.close()
        return found


def with_options(url, options):
    words = ["%s=%s" % (k.replace("_", "-"), v) for k, v in options.items()]
    return url + ("?" + "&".join(words) if words else "")


def sequence(epoch, last, first=1):
    return [(epoch, n) for n in range(first, last + 1)]


def difference(want, got):
    """What is wrong with a list of ids, in short."""
    missing, extra = sorted(set(want) - set(got)), sorted(set(got) - set(want))
    return "want %d got %d, missing %d %s, extra %d %s, ordered %s" % (
        len(want), len(got), len(missing), missing[:5], len(extra), extra[:5], got == sorted(set(got)))
