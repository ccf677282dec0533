#!/usr/bin/python3
"""run.py - the documents tell the truth: their commands run, their links lead somewhere, their generated parts are fresh.

Every fenced block marked sh in a document of ours is run in a folder that looks like this one after `make`, with the examples it
says to save as a file; options
that a manual page names exist, and those that exist are named.
"""
import glob
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SAVED = re.compile(r"^```yaml\n((?:(?!^```).)*)^```\s+Save it as `([^`]+)`", re.S | re.M)
PORTS = ("8443", "8444")  # of examples: free ones stand in for them
PRINTS = "\n<!-- prints, with other numbers -->\n```\n"
results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(more)[-2500:]))


def documents():
    return sorted(p for p in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "*", "*.md")) +
                  glob.glob(os.path.join(ROOT, "tests", "*", "*.md")) if os.sep + "build" + os.sep not in p)


def with_free_ports(text):
    """For ports are never ours by right."""
    for port in PORTS:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            text = text.replace(port, str(s.getsockname()[1]))
    return text


def masked(line):
    """Without its numbers, and without which frames happened to go together."""
    line = re.sub(r"[0-9]+(,[0-9]+)*", "#", re.sub(r"\b[0-9a-f]{16,}\b", "#", line)).strip()
    return re.sub(r"# (digest|beat|flash|receipt)(s|es)?\b(, # (digest|beat|flash|receipt)(s|es)?\b)*", "frames", line)


def run_block(block, folder):
    """Status, output, errors; whatever it leaves running is ended."""
    env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"], TMPDIR=folder)
    with open(os.path.join(folder, "said.out"), "w+b") as out, open(os.path.join(folder, "said.err"), "w+b") as err:
        bash = subprocess.Popen(["bash", "-euc", block], cwd=folder, env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            bash.wait(120)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        said = []
        for f in (out, err):
            f.seek(0)
            said.append(f.read().decode("utf-8", "replace"))
        return bash.wait(), *said


def commands(path, text):
    """Runs the blocks marked sh of a document; where it says what one prints, that is compared but for its numbers."""
    name = os.path.relpath(path, ROOT)
    found = re.findall(r"^```sh\n(.*?)^```\n(?:%s(.*?)^```)?" % re.escape(PRINTS), text, re.S | re.M)
    text = with_free_ports(text)
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    for n, (block, (_, prints)) in enumerate(zip(blocks, found), 1):
        with tempfile.TemporaryDirectory(prefix="bongsu-docs-") as folder:
            for entry in os.listdir(ROOT):
                if entry not in ("build", ".git"):
                    os.symlink(os.path.join(ROOT, entry), os.path.join(folder, entry))
            os.symlink(BUILD, os.path.join(folder, "build"))
            for body, saved in SAVED.findall(text):
                with open(os.path.join(folder, saved), "w", encoding="utf-8") as f:
                    f.write(body)
            status, out, err = run_block(block, folder)
        check("%s: commands %d of %d" % (name, n, len(blocks)), status == 0, "status %d\n%s\n%s%s" % (status, block, out[-800:], err[-800:]))
        if prints:
            there = {masked(line) for line in out.splitlines()}
            missing = [line for line in prints.splitlines() if line and masked(line) not in there]
            check("%s: what commands %d print" % (name, n), not missing, "%s\nnot in:\n%s" % ("\n".join(missing), out))


def links(path, text):
    dead = [t for t in re.findall(r"\]\(([^)#:]+)\)", text) if not os.path.exists(os.path.join(os.path.dirname(path), t))]
    check("%s: links" % os.path.relpath(path, ROOT), not dead, dead)


def options(program, page, *commands):
    """Long and short options of -h, and of the --help of commands, against those of the manual page."""
    text = ""
    for words in [["-h"], *([c, "--help"] for c in commands)]:
        said = subprocess.run([os.path.join(BUILD, program), *words], capture_output=True, text=True)
        text += said.stdout + said.stderr
    word = r"(?:(?<=\s)|(?<=\[)|(?<=,))(--?[a-zA-Z][a-z-]*)"
    helped = {w for line in text.splitlines() if re.match(r"\s+-|usage", line) for w in re.findall(word, line.split("  ")[1] if line.startswith("  ") else line)}
    helped |= set(re.findall(r"(?:^|[\s\[|])(--[a-z-]+)", text))
    with open(os.path.join(ROOT, "packaging", page), encoding="utf-8") as f:
        source = f.read()
    paged = {"--" + w for w in re.findall(r"Fl Fl ([a-z-]+)", source)} | {"-" + w for w in re.findall(r"Fl ([a-zA-Z])\b(?!l)", source)}
    missing = {o for o in helped if o.startswith("--")} - paged - {"--help", "--version", "--verbose"}
    check("%s names every option of %s" % (page, program), helped and not missing, sorted(missing))
    stray = {o for o in paged if o.startswith("--")} - helped
    check("%s has every option of %s" % (program, page), not stray, sorted(stray))


def main():
    for path in documents():
        with open(path, encoding="utf-8") as f:
            text = f.read()
        commands(path, text)
        links(path, text)
    done = subprocess.run([os.path.join(HERE, "generate.py"), "--check", BUILD], capture_output=True, text=True)
    check("generated parts are fresh", done.returncode == 0, done.stdout + done.stderr)
    done = subprocess.run([os.path.join(BUILD, "bongsu-sensor"), "-T", "-c", os.path.join(ROOT, "packaging", "sensor.yaml"), "-S",
                           os.path.join(ROOT, "rules")], capture_output=True, text=True)
    check("packaging/sensor.yaml is a good configuration", done.returncode == 0, done.stderr)
    done = subprocess.run([os.path.join(BUILD, "bongsu-aggregator"), "-T", "-c", os.path.join(ROOT, "packaging", "aggregator.yaml")],
                          capture_output=True, text=True)
    check("packaging/aggregator.yaml is a good configuration", done.returncode == 0, done.stderr)
    options("bongsu-sensor", "bongsu-sensor.8", "assets", "learn")
    options("bongsu-aggregator", "bongsu-aggregator.8", "status", "left", "verify", "release", "evidence", "enroll", "notice", "pack", "token")
    options("bongsu-tail", "bongsu-tail.1")
    done = subprocess.run([os.path.join(ROOT, "tests", "demo")], capture_output=True, text=True, timeout=200, env=dict(os.environ, BUILD=BUILD))
    check("the demo shows what it promises", done.returncode == 0 and "nothing unexplained" in done.stdout and "verifies and closes" in done.stdout,
          done.stdout + done.stderr)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
