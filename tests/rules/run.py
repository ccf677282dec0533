#!/usr/bin/python3
"""run.py - every document of every rule file against rules/rule.schema.json, the ATT&CK table by itself, and what
rules/README.md shows against the sensor.

usage: tests/rules/run.py [FILE…]     all of rules/ without arguments
Also shows that the schema refuses what it should: a schema that accepts everything would pass any file.
"""
import copy
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Loader(yaml.SafeLoader):
    """Dates stay texts, as they do in the sensor."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}

GOOD = {"title": "T", "id": "00000000-0000-4000-8000-000000000001",
        "logsource": {"product": "bongsu", "service": "modbus"},
        "detection": {"a": {"modbus.address|gte": 1}, "condition": "a"}}

# (path to what is changed, its new value): each must be refused
BAD = [
    (("title",), None), (("title",), ""), (("id",), "12"), (("levl",), "low"), (("level",), "hihg"),
    (("logsource", "product"), "windows"), (("logsource", "service"), "modbuss"), (("logsource", "category"), "x"),
    (("detection", "condition"), None), (("detection", "a"), "keyword"), (("detection", "a"), ["keyword"]),
    (("detection", "a"), {}), (("detection", "a"), {"modbus.address|windash": 1}),
    (("detection", "a"), {"modbus.address": []}), (("detection", "a"), {"|all": [1, 2]}),
    (("detection", "timeframe"), "5m"), (("date",), "22.11.2026"), (("tags",), ["Attack.T0855"]),
    (("ics",), {"sid": 0}), (("ics",), {"verb": "wirte"}), (("ics",), {"target": "dst"}), (("ics",), {"x": 1}),
    (("ics",), {"suppress": {"by": ["src_ip"]}}), (("correlation",), {}), (("detection",), None),
    (("filter",), {"rules": [], "s": {"a": 1}, "condition": "s"}),
    (("correlation",), {"type": "event_count", "rules": ["a"], "timespan": "5m", "condition": {"gte": 2}}),   # and a detection
]


CHAIN = {"title": "T", "id": GOOD["id"],
         "correlation": {"type": "event_count", "rules": ["a"], "timespan": "5m", "condition": {"gte": 2}}}
BAD_CHAINS = [{"type": "event_cout"}, {"rules": []}, {"timespan": "5 min"}, {"timespan": None}, {"condition": {"get": 2}},
              {"condition": None}, {"type": "value_count"}, {"type": "temporal_ordered"}, {"generate": "maybe"}, {"aliases": {"a": "b"}}]


def changed(path, value):
    doc = copy.deepcopy(GOOD)
    at = doc
    for key in path[:-1]:
        at = at[key]
    if value is None:
        at.pop(path[-1], None)
    else:
        at[path[-1]] = value
    return doc


def attack_faults():
    with open(os.path.join(ROOT, "rules", "attack.yaml"), encoding="utf-8") as f:
        table = yaml.load(f, Loader)
    tactics = {t["id"] for t in table["tactics"]}
    seen = set()
    for t in table["techniques"]:
        if not re.fullmatch(r"T0\d{3}", t["v18"]) or not re.fullmatch(r"T\d{4}(\.\d{3})?", t["v19"]):
            yield "attack.yaml: %s %s is no id" % (t["v18"], t["v19"])
        if t["v19"] in seen:
            yield "attack.yaml: %s twice" % t["v19"]
        seen.add(t["v19"])
        if not t["tactics"] or not set(t["tactics"]) <= tactics:
            yield "attack.yaml: %s: tactics" % t["v18"]
    if len(tactics) != 12 or len({t["v18"] for t in table["techniques"]}) != 83:
        yield "attack.yaml: v18.1 has 12 tactics and 83 techniques"


def readme_faults():
    """The examples load, as rules or as configuration, the first one fires, and its misspelt twin is told of as shown."""
    sensor = os.environ.get("SENSOR", os.path.join(ROOT, "build", "bongsu-sensor"))
    with open(os.path.join(ROOT, "rules", "README.md"), encoding="utf-8") as f:
        text = f.read()
    head = "title: T%d\nid: 00000000-0000-4000-8000-%012d\nlogsource: {product: bongsu, service: any}\n"
    docs, settings = [], []
    for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.S)):
        if not block.startswith(("title:", "detection:")):
            settings.append(block)
            continue
        if not block.startswith("title:"):
            block = head % (i, i) + block + ("" if "condition:" in block else "  condition: selection\n")
        docs.append(block)

    def run(name, content, *words):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(content)
        capture = os.path.join(ROOT, "pcaps", "demo", "plant.pcap")
        words = [capture if w == "CAPTURE" else w for w in words]
        return subprocess.run([sensor, *words, "-S", name], cwd=folder, capture_output=True, text=True, timeout=60)

    with tempfile.TemporaryDirectory() as folder:
        lists = "rules.lists=" + os.path.join(ROOT, "rules", "lists")
        done = run("all.yaml", "---\n".join(docs), "-T", "--set", lists)
        if len(docs) < 4 or done.returncode != 0:
            yield "README: %d examples: %s" % (len(docs), done.stderr)
        os.makedirs(os.path.join(folder, "r", "lists"))
        with open(os.path.join(folder, "r", "lists", "mine.txt"), "w", encoding="utf-8") as f:
            f.write("10.9.0.66\n")
        with open(os.path.join(folder, "r", "a.yaml"), "w", encoding="utf-8") as f:
            f.write(head % (0, 0) + "detection: {a: {src_ip|expand: '%mine%'}, condition: a}\n")
        done = subprocess.run([sensor, "-T", "-S", "r"], cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            yield "lists beside the rules of -S are not found: %s" % done.stderr
        for block in settings:
            with open(os.path.join(folder, "site.yaml"), "w", encoding="utf-8") as f:
                f.write(block)
            done = run("my.yaml", docs[0], "-T", "-c", "site.yaml")
            if done.returncode != 0:
                yield "README: configuration: %s" % done.stderr
        done = run("my.yaml", docs[0], "-r", "CAPTURE", "--quiet")
        if done.returncode != 0 or '"signature_id":3000001' not in done.stdout:
            yield "README: the first rule does not fire: %s" % done.stderr
        done = run("my.yaml", docs[0].replace("item.address", "item.adress").replace("level: high", "level: hihg"), "-T")
        shown = re.search(r"^my.yaml:\d.*?(?=\n```)", text, re.S | re.M).group(0)
        if done.returncode != 3 or not done.stderr.startswith(shown):
            yield "README shows %s\nthe sensor says %s" % (shown, done.stderr)


def memory_faults():
    """Messages that come again are judged from memory. With --rule-report all are asked: the same events must come out."""
    sensor = os.environ.get("SENSOR", os.path.join(ROOT, "build", "bongsu-sensor"))
    shared = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps")
    folders = [os.path.join(ROOT, "pcaps")] + [os.path.join(shared, n) for n in ("modbus", "s7comm", "dnp3", "mixed", "it") if os.path.isdir(shared)]
    with tempfile.TemporaryDirectory() as out:
        for folder in folders:
            lines = []
            for more in ([], ["--rule-report"]):
                path = os.path.join(out, "events")
                subprocess.run([sensor, "--quiet", "-k", "none", "-r", folder, "-S", os.path.join(ROOT, "rules"), "-o", "file:" + path, *more],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
                with open(path, encoding="utf-8") as f:
                    lines.append(f.read().splitlines())
                os.unlink(path)
            if not lines[0] or len(lines[0]) != len(lines[1]):
                yield "%s: %d events from memory, %d when all is asked" % (folder, len(lines[0]), len(lines[1]))
            for a, b in zip(*lines):
                if a != b and '"event_type":"stats"' not in a:
                    yield "%s: judged from memory: %s\nasked: %s" % (folder, a, b)
                    break


def captures_faults():
    """What is remembered of one capture says nothing of the next, be its conversations ever so alike."""
    sensor = os.environ.get("SENSOR", os.path.join(ROOT, "build", "bongsu-sensor"))
    with open(os.path.join(ROOT, "pcaps", "real", "modbus-libmodbus.pcap"), "rb") as f:
        data = bytearray(f.read())
    with tempfile.TemporaryDirectory() as folder:
        at = 24
        for name in ("a.pcap", "b.pcap"):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
            while at + 16 <= len(data):                     # the same from other network cards
                data[at + 16:at + 28] = b"\x02bongs\x02sensr"
                at += 16 + struct.unpack("<I", data[at + 8:at + 12])[0]
        with open(os.path.join(folder, "rule.yaml"), "w", encoding="utf-8") as f:
            f.write("title: T\nid: 00000000-0000-4000-8000-000000000001\nlogsource: {product: bongsu, service: modbus}\n"
                    "detection: {a: {pdu.dir: req, modbus.function_code: 3, src_mac: ['02:62:6f:6e:67:73', '02:73:65:6e:73:72']}, condition: a}\nlevel: low\n")
        done = subprocess.run([sensor, "--quiet", "-k", "none", "-r", folder, "-S", os.path.join(folder, "rule.yaml")], capture_output=True, text=True, timeout=60)
        seen = {json.loads(line)["pcap_filename"] for line in done.stdout.splitlines() if '"event_type":"alert"' in line}
        if seen != {os.path.join(folder, "b.pcap")}:
            yield "a rule on network cards holds in %s, not in b.pcap alone: %s" % (sorted(seen), done.stderr)


def main():
    with open(os.path.join(ROOT, "rules", "rule.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    faults, documents = list(attack_faults()), 0
    if not validator.is_valid(GOOD):
        faults.append("the schema refuses a good rule")
    if not validator.is_valid(CHAIN):
        faults.append("the schema refuses a good correlation")
    for change in BAD_CHAINS:
        inner = {k: v for k, v in {**CHAIN["correlation"], **change}.items() if v is not None}
        if validator.is_valid({**CHAIN, "correlation": inner}):
            faults.append("the schema accepts a correlation with %r" % change)
    for path, value in BAD:
        if validator.is_valid(changed(path, value)):
            faults.append("the schema accepts %s: %r" % (".".join(path), value))
    files = sys.argv[1:] or [p for p in sorted(glob.glob(os.path.join(ROOT, "rules", "**", "*.y*ml"), recursive=True))
                             if os.path.basename(p) != "attack.yaml"]
    for path in files:
        with open(path, encoding="utf-8") as f:
            for doc in yaml.load_all(f, Loader):
                if doc is None:
                    continue
                documents += 1
                name = doc.get("title") if isinstance(doc, dict) else doc
                for e in validator.iter_errors(doc):
                    for one in e.context or [e]:
                        faults.append("%s: %s: %s: %s" % (os.path.relpath(path, ROOT), name,
                                                          "/".join(map(str, one.absolute_path)), one.message[:200]))
    if not sys.argv[1:]:
        faults += [*readme_faults(), *memory_faults(), *captures_faults()]
    print("\n".join(faults))
    print("%d passed, %d failed" % (documents + len(BAD), len(faults) + (documents == 0)))
    sys.exit(1 if faults or documents == 0 else 0)


if __name__ == "__main__":
    main()
