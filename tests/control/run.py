#!/usr/bin/python3
"""run.py - a running sensor is spoken to over its control socket, sandbox on, in a network namespace of its own.

Silences and maintenance by the client and what they do to alerts of real connections; what an audit event says; that silences outlive
a restart; strangers, babblers and crowds at the socket; rules read again, canary, files, shutdown. Where namespaces are refused, that
is a counted skip.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor")
UNSHARE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
RULE = """title: Register written
id: 5f0f9d6e-52c8-4a37-9d3f-6f3d2f6f5a31
status: test
logsource: {product: bongsu, service: modbus}
detection:
  selection: {modbus.function_code: write_single_register, pdu.dir: req}
  condition: selection
level: high
ics: {sid: 1900031, rev: 1, verb: write}
"""
results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(more)[-2500:]), flush=True)
    return ok


def wait_for(test, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        if test():
            return True
        time.sleep(0.05)
    return test()


class Sensor:
    def __init__(self, folder):
        self.folder, self.socket = folder, os.path.join(folder, "run", "sensor.sock")
        self.eve, self.rules = os.path.join(folder, "eve.json"), os.path.join(folder, "r.yaml")
        self.spool, self.log = os.path.join(folder, "spool"), os.path.join(folder, "log")
        self.baseline, self.config = os.path.join(folder, "site", "run.yaml"), os.path.join(folder, "sensor.yaml")
        os.mkdir(os.path.dirname(self.baseline))
        self.allow(range(256))
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("baseline: [{name: run, file: %s}]\n" % self.baseline)
        self.start()

    def allow(self, units):
        """What is normal, in another file of that name, as editors leave it."""
        talk = "  - {client: 127.0.0.1, device: 127.0.0.1, protocol: modbus, unit: %d, allow: {write_single_register: any}}\n"
        with open(self.baseline + ".new", "w", encoding="utf-8") as f:
            f.write("talks:\n" + "".join(talk % u for u in units))
        os.rename(self.baseline + ".new", self.baseline)

    def start(self):
        command = [SENSOR, "-i", "lo", "-k", "none", "-S", self.rules, "-o", "file:" + self.eve, "-c", self.config, "--events", "stats,baseline",
                   "--set", "spool.folder=" + self.spool, "--set", "control.socket=" + self.socket, "--set", "canary.interval=0"]
        self.process = subprocess.Popen(command, stdout=open(self.log, "a"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        wait_for(lambda: self.ask("version")[0] == 0 or self.process.poll() is not None)

    def ask(self, *words):
        done = subprocess.run([SENSOR, "control", "--set", "control.socket=" + self.socket, *words], capture_output=True, text=True, timeout=40)
        return done.returncode, json.loads(done.stdout or done.stderr) if (done.stdout or done.stderr).startswith(('"', "{", "[")) or \
            (done.stdout or "").strip().isdigit() else done.stderr

    def events(self, kind):
        if not os.path.exists(self.eve):
            return []
        with open(self.eve, encoding="utf-8") as f:
            return [e for e in (json.loads(line) for line in f if line.endswith("\n")) if e["event_type"] == kind]

    def said(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read()


def device():
    """A Modbus device that accepts what it is asked."""
    listener = socket.create_server(("127.0.0.1", 502))

    def serve():
        while True:
            peer = listener.accept()[0]
            while True:
                request = peer.recv(260)
                if not request:
                    break
                peer.sendall(request)
    threading.Thread(target=serve, daemon=True).start()


def write_register(unit):
    with socket.create_connection(("127.0.0.1", 502), 5) as s:
        s.sendall(bytes([0, 1, 0, 0, 0, 6, unit, 6, 0, 100, 0, unit]))
        assert len(s.recv(260)) == 12


def raw(path, data, seconds=5):
    """What the socket answers to bytes; b"" if it hangs up."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(path)
        try:
            s.sendall(data)
            answer = b""
            while not answer.endswith(b"\n"):
                part = s.recv(65536)
                if not part:
                    break
                answer += part
            return answer
        except (BrokenPipeError, ConnectionResetError):
            return b""


def facts(s):
    check("version", s.ask("version")[0] == 0)
    status, up = s.ask("uptime")
    check("uptime", status == 0 and 0 <= up < 600, up)
    status, stats = s.ask("stats")
    check("stats is the stats event", status == 0 and stats["stats"]["detect"]["silenced"] == 0, stats)
    check("command-list", "silence-add" in s.ask("command-list")[1])
    status, said = s.ask("silence-ad")
    check("an unknown command is answered with a suggestion", status == 1 and "did you mean silence-add" in said, said)
    with open("/proc/%d/status" % s.process.pid, encoding="utf-8") as f:
        check("with seccomp and without powers", "Seccomp:\t2" in (text := f.read()) and "CapEff:\t0000000000000000" in text, text)


def silences(s):
    write_register(1)
    check("a write is told of", wait_for(lambda: len(s.events("alert")) == 1), s.said())
    for words, why in ((("reason=x", "for=1h"), "silence everything"), (("dst=127.0.0.1", "for=1h"), "reason is missing"),
                       (("dst=127.0.0.1", "reason=x"), "until is missing"), (("dst=pump", "reason=x", "for=1h"), "nor a device of names"),
                       (("dst=127.0.0.1", "reason=x", "until=2020-01-01"), "in the past"), (("dts=127.0.0.1", "reason=x", "for=1h"), "did you mean dst")):
        status, said = s.ask("silence-add", *words)
        check("refused: %s" % " ".join(words), status == 1 and why in said, said)
    check("none of them stays", s.ask("silence-list")[1] == [], s.ask("silence-list"))
    status, said = s.ask("silence-add", "sid=1900031", "dst=127.0.0.0/8,10.0.0.1", "unit=2", "for=2h", "reason=valve \"7\" tested", "by=kim")
    check("silence-add", status == 0 and said["id"] and "warning" not in said, said)
    wait_for(lambda: s.events("audit"))
    audit = s.events("audit")
    check("an audit event says who, why and how long", len(audit) == 1 and audit[0]["audit"]["action"] == "silence_added" and
          audit[0]["audit"]["by"] == "kim" and audit[0]["audit"]["reason"] == 'valve "7" tested' and "until" in audit[0]["audit"] and
          audit[0]["audit"]["uid"] == os.geteuid(), audit)
    write_register(2)
    write_register(3)
    check("what is silenced is counted, what is not is told", wait_for(lambda: len(s.events("alert")) == 2) and
          s.events("alert")[1]["modbus"]["request"]["unit_id"] == 3 and s.ask("stats")[1]["stats"]["detect"]["silenced"] == 1, s.said())
    check("and in the silence", s.ask("silence-list")[1][0]["count"] == 1)


def restart(s):
    check("shutdown", s.ask("shutdown")[0] == 0 and s.process.wait(20) == 0, s.said())
    check("the socket is gone", not os.path.exists(s.socket))
    s.start()
    status, kept = s.ask("silence-list")
    check("silences outlive a restart", status == 0 and [k["reason"] for k in kept] == ['valve "7" tested'] and kept[0]["live"], kept)
    told = len(s.events("alert"))
    write_register(2)
    check("and hold", wait_for(lambda: s.ask("stats")[1]["stats"]["detect"]["silenced"] == 1) and len(s.events("alert")) == told)
    check("silence-remove", s.ask("silence-remove", "id=" + kept[0]["id"])[0] == 0 and s.ask("silence-list")[1] == [])
    check("one that is not there", s.ask("silence-remove", "id=s99")[0] == 1)
    write_register(2)
    check("is told of again", wait_for(lambda: len(s.events("alert")) == told + 1), s.said())
    s.process.kill()
    s.process.wait()
    s.start()
    check("a socket left behind is taken over", s.ask("version")[0] == 0, s.said())
    check("what was removed stays away", s.ask("silence-list")[1] == [])


def maintenance(s):
    status, said = s.ask("maintenance-start", "name=valve 7", "who=127.0.0.1", "verbs=write,stop", "for=1h", "reason=work order 4711")
    check("maintenance-start", status == 0, said)
    check("hours need the configuration", s.ask("maintenance-start", "name=b", "who=127.0.0.1", "verbs=stop", "days=mon", "for=1h", "reason=x")[0] == 1)
    check("a name twice", "of that name" in s.ask("maintenance-start", "name=valve 7", "who=127.0.0.1", "verbs=stop", "for=1h", "reason=x")[1])
    write_register(9)
    lowered = lambda: [e for e in s.events("alert") if e["bongsu"].get("maintenance") == "valve 7"]
    check("what is allowed is lowered and marked", wait_for(lambda: len(lowered()) == 1) and lowered()[0]["alert"]["severity"] == 4, s.said())
    check("maintenance-list", [(w["name"], w["count"]) for w in s.ask("maintenance-list")[1]] == [("valve 7", 1)])
    check("maintenance-end", s.ask("maintenance-end", "name=valve 7")[0] == 0 and s.ask("maintenance-list")[1] == [])
    before = len(s.events("alert"))
    write_register(9)
    check("afterwards it is told as it is", wait_for(lambda: len(s.events("alert")) == before + 1) and
          s.events("alert")[-1]["alert"]["severity"] == 2, s.events("alert")[-1])


def deeds(s):
    status, said = s.ask("reload-rules")
    check("reload-rules", status == 0 and said["rules"] == 1, said)
    with open(s.rules, "w", encoding="utf-8") as f:
        f.write(RULE.replace("level: high", "level: hihg"))
    status, said = s.ask("reload-rules")
    check("a faulty set is refused with its place", status == 1 and "did you mean high" in said and "r.yaml:8" in said, said)
    check("and the old one stays", s.ask("ruleset-stats")[1]["rules"] == 1)
    s.ask("canary")
    check("canary", wait_for(lambda: s.events("canary")))
    os.rename(s.eve, s.eve + ".1")
    s.ask("reopen-log-files")
    check("reopen-log-files", wait_for(lambda: os.path.exists(s.eve)))


def baselines(s):
    beyond = lambda unit: [e for e in s.events("baseline") if e["baseline"]["fields"].get("unit") == unit]
    locked = lambda: sum(e["baseline"]["fields"]["kind"] == "locked" for e in s.events("baseline"))
    before = locked()
    write_register(40)
    s.allow([41])
    status, said = s.ask("reload-rules")
    check("a changed baseline is read with the rules", status == 0 and "baselines read again: 1" in s.said(), said)
    write_register(41)
    write_register(40)
    check("and holds from then on", wait_for(lambda: len(beyond(40)) == 1 and locked() == before + 1) and not beyond(41), s.said())
    with open(s.baseline, "a", encoding="utf-8") as f:
        f.write("  - {client: nobody}\n")
    status, said = s.ask("reload-rules")
    check("one with a fault is refused, by line", status == 1 and "run.yaml:3" in str(said), said)
    os.remove(s.baseline)
    status, said = s.ask("reload-rules")
    check("so is one that is gone", status == 1 and "run.yaml" in str(said), said)
    write_register(41)
    write_register(40)
    check("and the old one stays", wait_for(lambda: len(beyond(40)) == 2) and not beyond(41) and locked() == before + 1, s.events("baseline"))
    s.allow(range(256))
    check("until there is a good one", s.ask("reload-rules")[0] == 0)


def crowds(s):
    check("the greeting of suricatasc", json.loads(raw(s.socket, b'{"version": "0.2"}\n'))["return"] == "OK")
    for line in (b"\n", b"hello\n", b'{"command": [1]}\n', b'{"command":"silence-add","arguments":[]}\n', b"{&a: 1}\n", b"\0\n", b'{"command":"version"\n', b'{"a":"\n'):
        answer = raw(s.socket, line)
        check("refused: %r" % line, answer and json.loads(answer)["return"] == "NOK", answer)
    check("a line that is too long is hung up on", raw(s.socket, b"x" * 20000) == b"")
    two = raw(s.socket, b'{"command":"version"}\n{"command":"uptime"}\n')
    check("two lines at once are answered in turn", two.count(b"\n") >= 1 and b'"OK"' in two, two)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for one in silent:
        one.connect(s.socket)
        one.sendall(b'{"comm')
    check("who says nothing keeps nobody else waiting", s.ask("version")[0] == 0)
    more = [socket.socket(socket.AF_UNIX) for _ in range(12)]
    for one in more:
        one.connect(s.socket)
    time.sleep(0.5)
    check("a crowd is turned away", s.process.poll() is None and any(closed(one) for one in more))
    for one in silent + more:
        one.close()
    check("and forgotten", wait_for(lambda: s.ask("version")[0] == 0))


def closed(s):
    s.settimeout(0.2)
    try:
        return s.recv(1) == b""
    except OSError:
        return False


def strangers(s):
    mode = os.stat(s.socket).st_mode & 0o777
    check("only its user and group get at the socket", mode == 0o660, oct(mode))
    other = subprocess.run([SENSOR, "-i", "lo", "-S", s.rules, "-o", "file:" + s.eve + ".2", "--set", "spool.folder=" + s.spool + "2",
                            "--set", "control.socket=" + s.socket], capture_output=True, text=True, timeout=30)
    check("a second sensor does not take it", other.returncode == 4 and "another sensor" in other.stderr, other.stderr)
    if os.geteuid() != 0 or open("/proc/self/uid_map").read().split()[2] == "1":
        return
    os.chmod(s.folder, 0o711)
    os.chmod(os.path.dirname(s.socket), 0o711)
    os.chmod(s.socket, 0o666)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", SENSOR, "control", "--set",
                           "control.socket=" + s.socket, "version"], capture_output=True, text=True, timeout=40)
    check("a stranger is not answered, whatever the mode", done.returncode == 1 and "no answer" in done.stderr, done.stdout + done.stderr)


def inside(folder):
    made = subprocess.run("ip link set lo up", shell=True, capture_output=True, text=True)
    if made.returncode != 0:
        print("SKIP control: %s" % made.stderr.strip())
        print("0 passed, 0 failed, 1 skipped")
        return
    with open(os.path.join(folder, "r.yaml"), "w", encoding="utf-8") as f:
        f.write(RULE)
    device()
    s = Sensor(folder)
    try:
        if check("starts with its socket", os.path.exists(s.socket), s.said()):
            for part in (facts, silences, restart, maintenance, baselines, crowds, strangers, deeds):
                part(s)
            check("TERM stops it too", s.process.terminate() or s.process.wait(20) == 0)
    finally:
        if s.process.poll() is None:
            s.process.kill()
        s.process.wait()
    print("%d passed, %d failed" % (results.count(True), results.count(False)))


def main():
    if len(sys.argv) > 1:
        inside(sys.argv[1])
        sys.exit(not all(results))
    if subprocess.run(UNSHARE + ["true"], capture_output=True).returncode != 0 or not shutil.which("ip"):
        print("SKIP control: no network namespace can be had here")
        print("0 passed, 0 failed, 1 skipped")
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(subprocess.run(UNSHARE + [sys.executable, os.path.abspath(__file__), folder], timeout=300).returncode)


if __name__ == "__main__":
    main()
