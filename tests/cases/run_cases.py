#!/usr/bin/python3
"""run_cases.py - replays captures through the sensor and checks what it says.

usage: tests/cases/run_cases.py [--sensor PATH] [--jobs N] [--keep] [CASE.yaml | FOLDER | WORD ...]

Without arguments every case below tests/cases/ runs; a word picks the cases whose name contains it.
The format of a case stands in tests/cases/README.md.  Every EVE line is validated against
tests/eve.schema.json and every --pdus line against tests/pdus.schema.json.  Ends with one line
"N passed, N failed"; exits 0 when nothing failed.
"""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "pcaps"))
import talk                                                                   # noqa: E402

KEYS = {"about", "capture", "talk", "args", "rules", "config", "emit", "exit", "stderr", "stdout",
        "pdus", "events", "pdu_total", "event_total", "rule", "fires", "near_miss"}
EXPECTATIONS = {"stderr", "stdout", "pdus", "events", "pdu_total", "event_total"}
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer|runtime error:|Assertion .* failed)")
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Fault(Exception):
    """What a case got wrong, for people."""


# --- looking into events ------------------------------------------------------------------------

def at(node, path):
    """Every value a dotted path leads to; through lists it goes into each member.  A member's own
    name may hold dots (bongsu.matched)."""
    if not path:
        return [node]
    if isinstance(node, list):
        found = [v for n in node for v in at(n, path)]
        head, _, rest = path.partition(".")
        if head.isdigit() and int(head) < len(node):
            found += at(node[int(head)], rest)
        return found
    if not isinstance(node, dict):
        return []
    found = []
    words = path.split(".")
    for n in range(1, len(words) + 1):
        name = ".".join(words[:n])
        if name in node:
            found += at(node[name], ".".join(words[n:]))
    return found


def same(want, got):
    """1 is not true, and 1 is not 1.0's text."""
    return want == got and isinstance(want, bool) == isinstance(got, bool)


def orders(want, got, test):
    return isinstance(got, (int, float)) and not isinstance(got, bool) and test(got, want)


TESTS = {
    "in": lambda want, got: any(same(w, got) for w in want),
    "not": lambda want, got: not same(want, got),
    "contains": lambda want, got: isinstance(got, (str, list)) and want in got,
    "re": lambda want, got: isinstance(got, str) and re.search(want, got) is not None,
    "lt": lambda want, got: orders(want, got, lambda g, w: g < w),
    "lte": lambda want, got: orders(want, got, lambda g, w: g <= w),
    "gt": lambda want, got: orders(want, got, lambda g, w: g > w),
    "gte": lambda want, got: orders(want, got, lambda g, w: g >= w),
    "len": lambda want, got: hasattr(got, "__len__") and len(got) == want,
    "any": lambda want, got: isinstance(got, list) and any(holds(want, g) for g in got),
    "all": lambda want, got: isinstance(got, list) and len(got) > 0 and all(holds(want, g) for g in got),
}


def one(want, values):
    """Does one of the values at a path fit?"""
    if want == {"absent": True}:
        return not values
    if isinstance(want, dict) and want and set(want) <= set(TESTS):
        return any(all(TESTS[t](w, v) for t, w in want.items()) for v in values)
    return any(same(want, v) for v in values)


def holds(where, node):
    return all(one(want, at(node, path)) for path, want in where.items())


def seen(line):
    """An event cut short for a message."""
    text = json.dumps(line, separators=(",", ":"))
    return text if len(text) < 400 else text[:400] + "…"


def expect(what, wanted, lines):
    """Checks a list of {where, count|min|max} against lines; yields faults."""
    for want in wanted:
        unknown = set(want) - {"where", "count", "min", "max", "about"}
        if unknown or not want.get("where"):
            yield "%s: wants where and, if it likes, count, min, max or about: %s" % (what, want)
            continue
        hits = [line for line in lines if holds(want["where"], line)]
        low = want.get("count", want.get("min", 0 if "max" in want else 1))
        high = want.get("count", want.get("max", float("inf")))
        if not low <= len(hits) <= high:
            wish = want["count"] if "count" in want else "%s to %s" % (low, high)
            yield "%s: %s wanted %s, found %d of %d" % (what, want["where"], wish, len(hits), len(lines))
            near = hits or nearest(want["where"], lines)
            yield from ("    %s: %s" % ("found" if hits else "nearest", seen(line)) for line in near[:2])


def nearest(where, lines):
    """The lines that fit most of a wish."""
    score = lambda line: sum(one(want, at(line, path)) for path, want in where.items())
    return sorted(lines, key=score, reverse=True)[:1]


# --- one run of the sensor ----------------------------------------------------------------------

Run = collections.namedtuple("Run", "status stdout stderr pdus events")


class Schemas:
    """Validators of what the sensor prints.  Lines already found good are not looked at again."""

    def __init__(self):
        self.good, self.by_name = set(), {}
        for name in ("eve", "pdus"):
            path = os.path.join(ROOT, "tests", name + ".schema.json")
            with open(path, encoding="utf-8") as f:
                schema = json.load(f)
            kind = jsonschema.validators.validator_for(schema)
            kind.check_schema(schema)
            self.by_name[name] = kind(schema)

    def faults(self, name, text, line):
        if (name, text) in self.good:
            return
        errors = sorted(self.by_name[name].iter_errors(line), key=lambda e: list(map(str, e.path)))
        for error in errors[:3]:
            best = jsonschema.exceptions.best_match([error])
            yield "%s schema: %s: %s: %s" % (name, "/".join(map(str, best.absolute_path)), best.message[:300], seen(line))
        if not errors:
            self.good.add((name, text))


def read_lines(path, schema, schemas, faults):
    lines = []
    if not os.path.exists(path):
        return lines
    with open(path, encoding="utf-8", errors="strict") as f:
        for n, text in enumerate(f, 1):
            try:
                line = json.loads(text)
            except ValueError as e:
                faults.append("%s:%d: not JSON: %s: %s" % (os.path.basename(path), n, e, text[:200]))
                continue
            lines.append(line)
            if len(faults) < 10:
                faults += schemas.faults(schema, text, line)
    return lines


class Runner:
    def __init__(self, sensor, keep):
        self.sensor, self.keep, self.schemas = sensor, keep, Schemas()

    def captures(self, case, folder):
        """Paths of what a case replays: named captures, or a dialogue of its own."""
        if ("capture" in case) == ("talk" in case):
            raise Fault("wants capture or talk, one of them")
        if "talk" in case:
            path = os.path.join(folder, "talk.pcap")
            try:
                made = talk.build(case["talk"])
            except SystemExit as e:
                raise Fault(str(e))
            with open(path, "wb") as f:
                f.write(made)
            return [path]
        names = case["capture"] if isinstance(case["capture"], list) else [case["capture"]]
        paths = [os.path.join(ROOT, "pcaps", name) for name in names]
        if case.get("exit", 0) == 0:
            for path in paths:
                if not os.path.exists(path):
                    raise Fault("no capture %s" % os.path.relpath(path, ROOT))
        return paths

    def rules(self, case, folder):
        """-S arguments: the shipped rules, none, paths, or rules written in the case."""
        rules = case.get("rules", "default")
        if rules == "default":
            return ["-S", os.path.join(ROOT, "rules")]
        if rules == "none":
            empty = os.path.join(folder, "no-rules")
            os.makedirs(empty)
            return ["-S", empty]
        if isinstance(rules, list):
            return [word for name in rules for word in ("-S", os.path.join(ROOT, name))]
        path = os.path.join(folder, "case.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(rules)
        return ["-S", path]

    def run(self, case, folder, faults):
        pdus, events = os.path.join(folder, "pdus.jsonl"), os.path.join(folder, "eve.jsonl")
        command = [self.sensor] + [w for path in self.captures(case, folder) for w in ("-r", path)]
        command += self.rules(case, folder) + ["--pdus", pdus, "-o", "file:" + events]
        config = case.get("config", "")
        path = os.path.join(folder, "sensor.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(config if isinstance(config, str) else yaml.safe_dump(config))
        command += ["-c", path]
        if case.get("emit"):
            emit = case["emit"]
            command += ["--events", emit if isinstance(emit, str) else ",".join(emit)]
        command += [str(word) for word in case.get("args", [])]
        env = {"PATH": os.environ.get("PATH", ""), "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0",
               "UBSAN_OPTIONS": "print_stacktrace=1", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise Fault("no end after 120 s: %s" % " ".join(command))
        out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
        run = Run(done.returncode, out, err, read_lines(pdus, "pdus", self.schemas, faults),
                  read_lines(events, "eve", self.schemas, faults))
        if SANITIZER.search(err):
            faults.append("sanitizer: " + err[:2000])
        elif run.status != case.get("exit", 0):
            faults.append("exit status %d, wanted %d: %s" % (run.status, case.get("exit", 0), err[-600:].strip()))
        return run

    def check(self, case):
        """Runs a case that states what comes out; returns faults."""
        faults = []
        if not EXPECTATIONS & set(case):
            return ["expects nothing: say pdus, events, pdu_total, event_total, stderr or stdout"]
        with tempfile.TemporaryDirectory() as folder:
            run = self.run(case, folder, faults)
        for stream in ("stderr", "stdout"):
            wanted = case.get(stream, [])
            for text in wanted if isinstance(wanted, list) else [wanted]:
                if text not in getattr(run, stream):
                    faults.append("%s: no %r in %r" % (stream, text, getattr(run, stream)[-600:]))
        faults += expect("pdus", case.get("pdus", []), run.pdus)
        faults += expect("events", case.get("events", []), run.events)
        for key, lines in (("pdu_total", run.pdus), ("event_total", run.events)):
            if key in case and len(lines) != case[key]:
                faults.append("%s: wanted %d, got %d" % (key, case[key], len(lines)))
                faults += ["    " + seen(line) for line in lines[:5]]
        return faults

    def check_rule(self, case):
        """A rule that fires on these and does not on those; returns faults."""
        faults, sid = [], case["rule"]
        for kind in ("fires", "near_miss"):
            tries = case.get(kind, [])
            tries = tries if isinstance(tries, list) else [tries]
            if not tries:
                faults.append("rule %s: no %s" % (sid, kind))
            for n, one_try in enumerate(tries, 1):
                if isinstance(one_try, str):
                    one_try = {"talk": one_try} if "\n" in one_try else {"capture": one_try}
                whole = {k: case[k] for k in ("rules", "config", "args") if k in case}
                whole.update(one_try)
                said = []
                with tempfile.TemporaryDirectory() as folder:
                    run = self.run(whole, folder, said)
                where = {"event_type": "alert", "alert.signature_id": sid}
                if kind == "fires":
                    where.update(one_try.get("where", {}))
                    want = {k: one_try[k] for k in ("count", "min", "max") if k in one_try}
                    said += expect("events", [{"where": where, **want}], run.events)
                else:
                    said += expect("events", [{"where": where, "count": 0}], run.events)
                    if not run.pdus and not run.events:
                        said.append("a near miss needs something that nearly fits: nothing was dissected")
                faults += ["rule %s, %s %d: %s" % (sid, kind, n, fault) for fault in said]
        return faults

    def case(self, name, case):
        try:
            if not isinstance(case, dict):
                raise Fault("not a mapping")
            unknown = set(case) - KEYS
            if unknown:
                raise Fault("unknown: %s (known: %s)" % (", ".join(map(str, unknown)), ", ".join(sorted(KEYS))))
            return name, self.check_rule(case) if "rule" in case else self.check(case)
        except Fault as fault:
            return name, [str(fault)]
        except Exception as e:                # a case written wrongly must not hide the others
            return name, ["%s: %s" % (type(e).__name__, e)]


# --- all cases ----------------------------------------------------------------------------------

def load(path):
    """(name, case) of each document of a file."""
    stem = os.path.relpath(path, HERE)[:-5]
    with open(path, encoding="utf-8") as f:
        try:
            documents = list(yaml.load_all(f, Loader))
        except yaml.YAMLError as e:
            return [(stem, "not YAML: %s" % e)]
    several = len(documents) > 1
    return [("%s#%s" % (stem, d["rule"] if isinstance(d, dict) and "rule" in d else n) if several else stem, d)
            for n, d in enumerate(documents, 1) if d is not None]


def rule_levels():
    """sid → level of every shipped rule."""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "rules", "*.yaml"))):
        with open(path, encoding="utf-8") as f:
            for document in yaml.load_all(f, Loader):
                if isinstance(document, dict) and isinstance(document.get("ics"), dict) and "sid" in document["ics"]:
                    found[document["ics"]["sid"]] = (document.get("level"), os.path.relpath(path, ROOT))
    return found


def untold_rules(cases):
    """Every shipped rule has a case that shows it fire and one that shows it not fire."""
    told = collections.Counter(case["rule"] for _, case in cases if isinstance(case, dict) and "rule" in case)
    levels = rule_levels()
    for sid, (_, path) in levels.items():
        if not told[sid]:
            yield "%s: rule %s has no case with fires and near_miss" % (path, sid)
    for sid in told:
        if sid not in levels:
            yield "rule %s has a case and is not in rules/" % sid


def main():
    ap = argparse.ArgumentParser(usage=__doc__.strip().split("\n")[2].partition("usage: ")[2])
    ap.add_argument("--sensor", default=os.environ.get("SENSOR", os.path.join(ROOT, "build", "bongsu-sensor")))
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--keep", action="store_true", help="print every fault, not the first eight of a case")
    ap.add_argument("words", nargs="*")
    a = ap.parse_args()
    paths = sorted(glob.glob(os.path.join(HERE, "**", "*.yaml"), recursive=True))
    folders = [os.path.abspath(w) for w in a.words if os.path.exists(w)]
    words = [w for w in a.words if not os.path.exists(w)]
    cases = [c for p in paths for c in load(p)]
    chosen = cases
    if a.words:
        files = {os.path.relpath(p, HERE)[:-5] for f in folders for p in
                 ([f] if os.path.isfile(f) else glob.glob(os.path.join(f, "**", "*.yaml"), recursive=True))}
        chosen = [c for c in cases if c[0].partition("#")[0] in files or any(w in c[0] for w in words)]
    if not chosen:
        sys.exit("run_cases: no cases")
    runner, failed = Runner(os.path.abspath(a.sensor), a.keep), 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for name, faults in pool.map(lambda c: runner.case(*c), chosen):
            if faults:
                failed += 1
                print("FAIL %s" % name)
                print("\n".join("  " + f for f in (faults if a.keep else faults[:8])))
    passed = len(chosen) - failed
    if not a.words:
        untold = list(untold_rules(cases))
        failed, passed = failed + bool(untold), passed + (not untold)
        if untold:
            print("FAIL rules without cases")
            print("\n".join("  " + u for u in untold))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
