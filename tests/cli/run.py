#!/usr/bin/env python3
"""run.py - bongsu-aggregator as its users meet it: help, mistakes, exit statuses, configuration there and back, and what hostile
text looks like on their terminal."""
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.join(os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build"))), "bongsu-aggregator")
OK, FAILED, USAGE, CONFIG, REFUSED = range(5)
COMMANDS = "run status left verify enroll notice pack token".split()
results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %r" % (more,)))


def ask(*args, stdin=""):
    end = subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, text=True, timeout=60, cwd=ROOT)
    return end.returncode, end.stdout, end.stderr


def expect(what, args, status, out="", err="", stdin=""):
    """The status, and patterns that must be found; an empty one: nothing may be there."""
    s, o, e = ask(*args, stdin=stdin)
    ok = s == status and bool(re.search(out, o) if out else not o) and bool(re.search(err, e) if err else not e)
    check(what, ok, (s, o[-600:], e[-600:]))


def test_help():
    expect("--help", ["--help"], OK, out="Usage: bongsu-aggregator")
    said = ask("-h")[1]
    check("names every command", all(re.search(r"^  %s " % c, said, re.M) for c in COMMANDS), said)
    expect("-V", ["-V"], OK, out=r"^bongsu-aggregator \d+\.\d+\.\d+\n$")
    for c in COMMANDS:
        expect("%s --help, even where nothing is configured" % c, ["-c", "/nonexistent", c, "--help"], OK, out="(?m)^%s" % c)
    check("no line of help is wider than a terminal", all(len(line) <= 100 for c in COMMANDS for line in ask(c, "-h")[1].splitlines()))


def test_command_lines(folder):
    at = ["--set", "node.folder=" + folder]
    for what, args, err in (
            ("an unknown option", ["--bogus"], "bogus.*\nTry --help"), ("an option without its value", ["-c"], "Try --help"),
            ("an unknown command", ["statsu"], r"no such command \(did you mean status\?\)"),
            ("words after run", ["run", "now"], "^run\n"), ("words after verify", ["verify", "x"], "verify"),
            ("an unknown option of a command", ["left", "--jsn"], "--jsn: no such option here"),
            ("status of what", ["status", "--all"], "--json"), ("notice alone", ["notice"], "^notice issue"), ("pack alone", ["pack"], "^pack sign"),
            ("enroll alone", ["enroll"], "^enroll request"), ("enroll what", ["enroll", "now"], "^enroll request"),
            ("a tier that is none", ["enroll", "sign", "--tier", "galaxy"], "enterprise, park, group, province or nation"),
            ("too many days", ["enroll", "token", "--tier", "park", "--days", "0"], "--days: 1 to 3650"),
            ("a region that is none", ["enroll", "token", "--tier", "park", "--region", "x"], "--region"),
            ("a token without a role", ["token", "--name", "x"], "--role"), ("keygen of nothing", ["notice", "keygen"], "keygen FILE"),
            ("join of nothing", ["enroll", "join"], "URL TOKEN"), ("pack sign of nothing", ["pack", "sign"], "pack|FILE")):
        expect("%s is a wrong command line" % what, at + args, USAGE, err=err)
    for args in (["status"], ["verify"], ["left"], ["left", "--dry-run"], ["run"], ["notice", "list"], ["pack", "list"]):
        s, _, e = ask(*at, *args)
        check("%s without an identity says how to get one" % " ".join(args), s in (FAILED, REFUSED) and "enroll --help" in e, (s, e))
    expect("a file that is not there", at + ["enroll", "take", "/nonexistent"], FAILED, err="^bongsu-aggregator: /nonexistent: No such file")
    expect("an answer that is none", at + ["enroll", "take"], FAILED, err="^bongsu-aggregator: ", stdin="hello\n")


def test_configuration(folder):
    path = os.path.join(folder, "bad.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("node: { foldr: /x, folder: null }\nchain: { listen: 5, hold: 1 }\nintake: { redis: foo, packs: maybe }\n"
                "notice: { national_keys: [ aa ] }\nparents:\n - { url: http://x, org: abc, levl: 2 }\nfoo: 1\n")
    s, o, e = ask("-T", "-c", path)
    wanted = [":1:9: unknown setting node.foldr (did you mean node.folder?)", ":1:28: node.folder needs a value", ":2:18: chain.listen is ADDRESS:PORT",
              ":2:27: chain.hold is 60 to", ":3:18: intake.redis is redis", ":3:30: intake.packs is ask, accept or refuse",
              ":4:28: notice.national_keys is", ":6:11: url is https://", ":6:26: org is the parent's id", ":6:37: levl is no setting", ":7:1: unknown setting foo"]
    check("-T tells all mistakes at once, each with its place", s == CONFIG and not o and all(path + w in e for w in wanted) and len(e.splitlines()) == len(wanted),
          (s, [w for w in wanted if path + w not in e], e))
    expect("run refuses such a configuration", ["-c", path, "run"], CONFIG, err="unknown setting")
    expect("a configuration that is not there", ["-T", "-c", "/nonexistent"], CONFIG, err="^/nonexistent: No such file")
    expect("--set of what is none", ["--set", "chain.hld=5", "-T"], CONFIG, err="did you mean chain.hold")
    expect("--set without a value", ["--set", "chain", "-T"], CONFIG, err="not key=value")
    with open(path, "w", encoding="utf-8") as f:
        f.write("a: [1\n")
    expect("YAML that is none", ["-T", "-c", path], CONFIG, err="^%s:[0-9]+:[0-9]+: " % re.escape(path))
    expect("a good configuration", ["-c", "/dev/null", "-T"], OK, err="the configuration is good")
    expect("quietly", ["-c", "/dev/null", "-q", "-T"], OK)


def test_dump(folder):
    path = os.path.join(folder, "all.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("""node: { folder: "/tmp/a \\"b\\" \\\\ c\\n#d" }\ndigest: { silenced: [ "x y", "z: w" ], window: 77 }\nchain: { listen: "[::1]:8443" }
parents:
 - { url: "https://a:1", org: "%s", level: 2 }
 - { url: "https://b:2", org: "%s", link: view, region: "37", sector: C, severity: 2 }
""" % ("a" * 32, "b" * 32))
    s, first, e = ask("-c", path, "--dump-config")
    with open(path, "w", encoding="utf-8") as f:
        f.write(first)
    again = ask("-c", path, "--dump-config")[1]
    check("--dump-config reads back as the same", s == OK and first == again and "window: 77" in first and "severity: 2" in first, (s, e, first))
    check("it has every setting with a sentence", all(" # " in line for line in first.splitlines() if re.match(r"  \w", line) and not line.startswith("  - ")))


ESCAPES = "\x1b[2J\x1b]0;owned\x07 \u202egpj.exe\u200b \x9b31m\nalarm forged"


def test_hostile_text(folder):
    node = ["--set", "node.folder=" + os.path.join(folder, "node")]
    expect("a centre is made", node + ["enroll", "authority", "--tier", "nation"], OK, out="^[0-9a-f]{32}\n$", err="a nation")
    with open(os.path.join(folder, "node", "ca.crt"), encoding="ascii") as f:
        before = f.read()
    expect("made again, with another name", node + ["enroll", "authority", "--tier", "nation", "--host", "nation.example"], OK, out="^[0-9a-f]{32}\n$", err="a nation")
    with open(os.path.join(folder, "node", "ca.crt"), encoding="ascii") as f:
        check("it is the same authority", f.read() == before)
    daemon = subprocess.Popen([PROGRAM, *node, "run"], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for line in daemon.stderr:
        if "is up" in line:
            break
    expect("a second daemon on a folder is refused", node + ["run"], REFUSED, err="another aggregator runs")
    daemon.terminate()
    daemon.communicate(timeout=30)
    check("SIGTERM ends it with 0", daemon.returncode == OK, daemon.returncode)
    store = sqlite3.connect(os.path.join(folder, "node", "chain.db"))
    store.execute("INSERT INTO alarm(at_ms, code, about, text, times) VALUES(0, 'x', ?, ?, 1)", (ESCAPES, ESCAPES))
    store.execute("INSERT INTO position(sensor, epoch, n) VALUES(?, 1, 1)", (ESCAPES,))
    store.commit()
    store.close()
    for args in (["status"], ["status", "--json"]):
        s, o, e = ask(*node, *args)
        sly = [c for c in o if c in "\x1b\x07\x9b\u202e\u200b"]
        check("%s shows hostile text by its codes" % " ".join(args), s == OK and not sly and "u202e" in o and "\nalarm forged" not in o, (s, o, e))
    check("and its JSON means the same", json.loads(ask(*node, "status", "--json")[1])["sensors"][0]["sensor"] == ESCAPES)
    expect("the ledger of nothing is whole", node + ["verify"], OK, out="whole: 0 lines")
    expect("nothing left", node + ["left"], OK, out="nothing left")
    expect("since when", node + ["left", "--since", "yesterday"], FAILED, err="say 24h, 7d, or a date")


def main():
    with tempfile.TemporaryDirectory(prefix="bongsu-cli-") as folder:
        test_help()
        test_command_lines(os.path.join(folder, "none"))
        test_configuration(folder)
        test_dump(folder)
        test_hostile_text(folder)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
