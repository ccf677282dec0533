#!/usr/bin/python3
"""schema.py - every document of every rule file against rules/rule.schema.json, and the ATT&CK table by itself.

usage: tests/rules/schema.py [FILE…]     all of rules/ without arguments
Also shows that the schema refuses what it should: a schema that accepts everything would pass any file.
"""
import copy
import glob
import json
import os
import re
import sys

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
]


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


def main():
    with open(os.path.join(ROOT, "rules", "rule.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    faults, documents = list(attack_faults()), 0
    if not validator.is_valid(GOOD):
        faults.append("the schema refuses a good rule")
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
    print("\n".join(faults + ["%d documents in %d files, %d faults" % (documents, len(files), len(faults))]))
    sys.exit(1 if faults or documents == 0 else 0)


if __name__ == "__main__":
    main()
