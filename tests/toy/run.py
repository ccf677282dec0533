#!/usr/bin/python3
"""run.py - a protocol nobody has heard of is added to a copy of this tree: one file, one line, and nothing else.

Then it must be listed, documented, detected, dissected, cut at every byte, fuzzed and named in rules, and no test of another
protocol may change its mind.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDERS = ["common", "dissectors", "sensor", "console", "aggregator", "rules", "pcaps", "tests", "packaging", "Makefile"]
TALK = """
tcp 10.9.0.5:41000 > 10.9.0.10:7007
> 54 6f 01 03 "one"
< 54 6f 81 00
cut 3 > 54 6f 02 05 "seven"
< 54 6f 82 00
"""
RULE = """
title: A toy is told to do its second thing
id: 5f3f0c4e-7d1a-4d1f-9a53-2f8c2a6b1e01
status: experimental
description: Shows that a new protocol can be named in rules.
logsource: {product: bongsu, service: toy}
detection:
  selection: {toy.order: second, toy.text|startswith: sev}
  condition: selection
level: medium
ics: {sid: 1999999, gid: 1, rev: 1, classtype: command, verb: write}
"""
results = []


def check(what, ok, more=""):
    results.append(ok)
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": " + str(more)[-3000:]))
    return ok


def run(tree, *command):
    done = subprocess.run(command, cwd=tree, capture_output=True, timeout=900, stdin=subprocess.DEVNULL)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def main():
    with tempfile.TemporaryDirectory(prefix="bongsu-toy-") as base:
        tree = os.path.join(base, "tree")
        os.mkdir(tree)
        for name in FOLDERS:
            source = os.path.join(ROOT, name)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(tree, name))
            elif os.path.exists(source):
                shutil.copy2(source, tree)
        shutil.copy(os.path.join(HERE, "toy.c"), os.path.join(tree, "dissectors", "toy.c"))
        with open(os.path.join(tree, "dissectors", "protocols.def"), "a", encoding="utf-8") as f:
            f.write("PROTOCOL(toy)\n")
        sensor = os.path.join(tree, "build", "bongsu-sensor")
        status, said = run(tree, "make", "-j2", "OPT=-O0", "build/bongsu-sensor")
        if check("builds without a warning", status == 0, said):
            dissects(base, tree, sensor)
        cuts(tree)
        fuzzes(tree)
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return not all(results)


def dissects(base, tree, sensor):
    status, said = run(tree, sensor, "--list-protocols")
    check("is listed", status == 0 and "toy" in said, said)
    status, said = run(tree, sensor, "--list-fields")
    check("its fields are documented", status == 0 and "toy.order" in said and "what is to be done" in said, said)
    os.makedirs(os.path.join(tree, "pcaps", "toy"))
    with open(os.path.join(tree, "pcaps", "toy", "toy.talk"), "w", encoding="utf-8") as f:
        f.write(TALK)
    status, said = run(tree, "pcaps/talk.py", "--all")
    check("its capture is made", status == 0, said)
    rule, pdus, eve = (os.path.join(base, name) for name in ("toy.yaml", "pdus.jsonl", "eve.jsonl"))
    with open(rule, "w", encoding="utf-8") as f:
        f.write(RULE)
    status, said = run(tree, sensor, "-r", "pcaps/toy/toy.pcap", "-S", "rules", "-s", rule, "--pdus", pdus, "-o", "file:" + eve)
    if not check("is replayed", status == 0, said):
        return
    with open(pdus, encoding="utf-8") as f:
        seen = [json.loads(line) for line in f]
    check("is dissected", [(p["proto"], p["dir"], p["code"], p["fields"].get("text")) for p in seen] ==
          [("toy", "req", 1, "one"), ("toy", "rsp", 1, None), ("toy", "req", 2, "seven"), ("toy", "rsp", 2, None)], seen)
    with open(eve, encoding="utf-8") as f:
        alerts = [e for e in map(json.loads, f) if e["event_type"] == "alert" and e["alert"]["signature_id"] == 1999999]
    check("a rule names its fields, with the verdict", len(alerts) == 1 and
          alerts[0]["bongsu"]["verdict"]["outcome"] == "accepted", alerts)


def cuts(tree):
    status, said = run(tree, "make", "-j2", "OPT=-O0 -fsanitize=address,undefined -fno-sanitize-recover=all", "B=build/asan",
                       "build/asan/unit/test_every_cut")
    if check("the test of every cut builds", status == 0, said):
        status, said = run(tree, "build/asan/unit/test_every_cut")
        check("is cut at every byte, and so are the others", status == 0, said)


def fuzzes(tree):
    status, said = run(tree, "make", "-j2", "B=build/clang", "CC=clang", "OPT=-O0 -fsanitize=address,undefined,fuzzer-no-link",
                       "build/clang/fuzz/fuzz_dissectors")
    if check("the fuzzer builds", status == 0, said):
        run(tree, "tests/fuzz/seeds.py", "build/seeds")
        with open(os.path.join(tree, "dissectors", "protocols.def"), encoding="utf-8") as f:
            index = sum(line.startswith("PROTOCOL") for line in f) - 1
        seed = os.path.join(tree, "build", "toy.seed")
        with open(seed, "wb") as f:
            f.write(bytes([index, 0, 0, 7]) + b"To\x01\x03one")
        status, said = run(tree, "build/clang/fuzz/fuzz_dissectors", seed)
        check("is fuzzed through the registry", status == 0 and "Executed" in said, said)
        # The toy stops on an order nobody has: seen, it proves that the fuzzer reached the toy and not another protocol.
        with open(seed, "wb") as f:
            f.write(bytes([index, 0, 0, 4]) + b"To\x7f\x00")
        status, said = run(tree, "build/clang/fuzz/fuzz_dissectors", seed)
        check("a fault in it is found there", status != 0 and "does not hold" in said, said)


if __name__ == "__main__":
    sys.exit(main())
