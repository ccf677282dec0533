#!/usr/bin/python3
"""run.py - the documents tell the truth: their commands run, their links lead somewhere, their generated parts are fresh.

Every fenced block marked sh in a document of ours is run in a folder that looks like this one after `make`, with the examples it
says to save as a file; options
that a manual page names exist, and those that exist are named.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SAVED = re.compile(r"^```yaml\n((?:(?!^```).)*)^```\s+Save it as `([^`]+)`", re.S | re.M)
results = []


def check(what, ok, more=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(more)[-2500:]))


def documents():
    return sorted(p for p in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "*", "*.md")) +
                  glob.glob(os.path.join(ROOT, "tests", "*", "*.md")) if os.sep + "build" + os.sep not in p)


def commands(path, text):
    """Runs the blocks marked sh of a document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    for n, block in enumerate(blocks, 1):
        with tempfile.TemporaryDirectory(prefix="bongsu-docs-") as folder:
            for name in os.listdir(ROOT):
                if name not in ("build", ".git"):
                    os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
            os.symlink(BUILD, os.path.join(folder, "build"))
            for body, name in SAVED.findall(text):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(body)
            env = dict(os.environ, PATH=BUILD + ":" + os.environ["PATH"], TMPDIR=folder)
            done = subprocess.run(["bash", "-euc", block], cwd=folder, env=env, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
        check("%s: commands %d of %d" % (os.path.relpath(path, ROOT), n, len(blocks)), done.returncode == 0,
              "status %d\n%s\n%s" % (done.returncode, block, (done.stdout[-800:] + done.stderr[-800:]).decode("utf-8", "replace")))


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
    options("bongsu-sensor", "bongsu-sensor.8")
    options("bongsu-aggregator", "bongsu-aggregator.8", "status", "left", "verify", "release", "evidence", "enroll", "notice", "pack", "token")
    options("bongsu-tail", "bongsu-tail.1")
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
