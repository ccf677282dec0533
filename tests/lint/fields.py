#!/usr/bin/python3
"""fields.py - no member of a frame that goes up can carry a process value: read from aggregator/fields.def, without building.

usage: tests/lint/fields.py [TABLE]

A number that leaves a site at level 0 or 1 is a count, a time, an identity or a bound of the protocol, and this file says which. A
member that is not here, or a kind of text that is not here, fails until somebody has thought about it. Prints what is wrong.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UP = {"DIGEST", "ROLLUP", "RECEIPT", "ANSWER", "BEAT", "FLASH", "TOMB", "ENVELOPE"}
SETS = {"SEQUENCED": {"DIGEST", "ROLLUP", "RECEIPT", "ANSWER", "EVIDENCE"}, "REPORTS": {"DIGEST", "ROLLUP", "BEAT", "FLASH"},
        "TOTALS": {"DIGEST", "ROLLUP", "TOMB"}, "DOWN": {"WARNING", "NOTICE", "INDICATORS", "PACK", "STEP"}, "ALL": UP | {"EVIDENCE"}}

# What each number says.
NUMBERS = {
    "identity": "v ep sq after[0] after[1] cov[][0] cov[][1] cov[][2] cov[][3] cov[0] cov[1] cov[2] of[0] of[1] of[2] rev part parts"
                " items[].rev",
    "time": "known_at w.start w.end w.mono_ms w.skew_ms w.coarse_s items[].first items[].last at hl.canary_ms hl.cert_d skew_ms res",
    "count": "w.late in.pkts in.drops in.events in.other in.alerts in.items in.suppressed in.sampled in.withheld in.lost.*"
             " items[].verdicts.* items[].ev other.kinds other.n fixes[].verdicts.* hl.sensors[0] hl.sensors[1] hl.blind_bytes"
             " hl.waiting pkts drops flashes alarms kids.known kids.reporting kids.late kids.silent cells[][4] cells[][5] cells[][6]"
             " ev",
    "grade": "lvl items[].sev items[].conf sev conf other.sev cells[][3]",
    "share of the store": "hl.disk_pct",
}
# Kinds of text without room for a word or a number of the site's.
TEXTS = set("HEX16 HEX32 HEX64 ORG ORG_OR_ALL SIG REGION INDUSTRY VERSION RULES_VERSION MATRIX TECHNIQUE RULE ROLES ZONES BUCKET"
            " CASE_NUMBER RECEIPT_LINE ORIGINAL".split())
NAMES = {"crit[]"}      # names of members, and every one has to be there
KINDS = {"INT", "TEXT", "WORD", "FLAG", "OBJECT", "LIST", "ROW"}
SUSPECT = re.compile(r"(^|[^a-z])(val|value|setpoint|set_point|tag|addr|ip|mac|host|name|point|temp|press|flow|speed|recipe)([^a-z]|$)")


def rows():
    """(line, types, path, kind, detail, level) of every row; KIND_OF_ALERT stands for its rows in both places."""
    table = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "aggregator", "fields.def")
    with open(table, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for number, text in enumerate(lines, 1):
        found = re.match(r'FIELD\(([^,]+), *(at )?"([^"]+)", *(\w+), *[^,]+, *[^,]+, *(.+), *(?:MUST|MAY), *(\d), *"', text)
        if text.startswith("FIELD(") and not found:
            yield number, None, text, None, None, None
        if not found:
            continue
        types, at, path, kind, detail, level = found.groups()
        wheres = [("DIGEST", "items[]." + path), ("FLASH", path)] if at else [(types, path)]
        for names, where in wheres:
            members = set()
            for name in re.split(r"\s*\|\s*", names.strip()):
                members |= SETS.get(name, {name})
            yield number, members, where, kind, detail.split(",")[-1].strip(), int(level)


def main():
    known = {path for paths in NUMBERS.values() for path in paths.split()}
    met, wrong, count = set(), [], 0
    for number, types, path, kind, detail, level in rows():
        def say(why, path=path, number=number):
            wrong.append("aggregator/fields.def:%d: %s: %s" % (number, path, why))
        count += 1
        if types is None:
            say("not understood by this check")
            continue
        if kind not in KINDS:
            say("a member of kind %s may hold anything" % kind)
        if not types & UP or level > 1:
            continue
        if SUSPECT.search(path):
            say("its name says that it is of the site")
        if kind == "INT" and path not in known:
            say("a number that leaves at level %d: what does it say? (tests/lint/fields.py)" % level)
        if kind == "TEXT" and detail not in TEXTS and path not in NAMES:
            say("a text that leaves at level %d has room for a word of the site: %s" % (level, detail))
        met.add(path)
    wrong += ["tests/lint/fields.py: %s: there is no such member any more" % path for path in sorted(known - met)]
    if count < 150:
        wrong.append("aggregator/fields.def: only %d members were read" % count)
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
