#!/usr/bin/python3
"""run.py - the packets that are kept of an alert prove it: replayed alone, they give the same alert.

Every capture of pcaps/ and every dialogue of a case is replayed with evidence for alerts from low up, repeats not folded. Each alert must name a capture; that
capture must give an alert of the same rule, between the same ends, with the same facts and the same verdict, resting on the frames
it names. Then the bounds: level, cap of the folder, rate, cap of one capture, a folder that fails; names, modes, the same bytes again.
"""
import collections
import concurrent.futures
import glob
import json
import os
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor")
PCAPS = os.path.join(ROOT, "pcaps")
sys.path.insert(0, PCAPS)
import talk                                                                   # noqa: E402

PLANT = os.path.join(PCAPS, "demo", "plant.pcap")
UNFOLDED = ["--set", "alerts.fold=off"]
TWO_LINKS = "transport/file_mixed.pcapng"  # one flow over two link types, of which a capture can have one
results = collections.Counter()


def check(what, ok, more=""):
    results["passed" if ok else "failed"] += 1
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(more)[-2000:]), flush=True)
    return ok


def replay(capture, *args, **more):
    done = subprocess.run([SENSOR, "--quiet", "-r", capture, "-S", os.path.join(ROOT, "rules"), "-o", "-", *args], capture_output=True,
                          timeout=120, **more)
    assert done.returncode in (0, 4, 5), done.stderr.decode("utf-8", "replace")[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept(capture, folder, *args, **more):
    return replay(capture, "--set", "evidence.folder=" + folder, *args, **more)


def alerts(events):
    """Each alert, with the verdict that followed it."""
    later = {e["bongsu"]["of"]["n"]: e["bongsu"]["verdict"] for e in events if e["event_type"] == "verdict"}
    for e in events:
        if e["event_type"] == "alert":
            yield e, e["bongsu"].get("verdict") or later.get(e["bongsu"]["n"])


def said(alert, verdict, dated):
    """What an alert says, but for its numbers."""
    verdict = {k: v for k, v in (verdict or {}).items() if k in ("outcome", "code", "latency_ms")}
    return (alert["alert"]["signature_id"], dated and alert["timestamp"], *(alert.get(k) for k in ("src_ip", "src_port", "dest_ip", "dest_port", "app_proto")),
            json.dumps([alert["bongsu"].get("matched"), verdict, alert["bongsu"].get("correlation")], sort_keys=True))


def again(path, args, replayed):
    """What a capture gives; several alerts may have the same packets."""
    with open(path, "rb") as f:
        text = f.read()
    if text not in replayed:
        replayed[text] = list(alerts(replay(path, *UNFOLDED, *args)))
    return replayed[text]


def faults_of(alert, verdict, replayed, *args):
    evidence = alert["bongsu"]["evidence"]
    if "slice" not in evidence:
        return ["no capture"]
    dated = "suppressed" not in alert["bongsu"]  # else it shows an earlier occurrence
    want, got = said(alert, verdict, dated), {}
    for one, its in again(evidence["slice"], args, replayed):
        got[said(one, its, dated)] = one["bongsu"]["evidence"]["frames"]
    if want not in got:
        return ["%s\n    not among %s" % (want, sorted(g for g in got if g[0] == want[0]))]
    if not set(got[want]) & set(evidence["slice_frames"]) and evidence["frames"]:  # others are of occurrences that a rule's suppress held
        return ["rests on frames %s, names %s" % (got[want], evidence["slice_frames"])]
    return []


def prove(name, capture, args):
    """How many alerts there are, and what is wrong with them. A capture is a path, or its bytes."""
    with tempfile.TemporaryDirectory(prefix="bongsu-evidence-") as folder:
        if isinstance(capture, bytes):
            with open(os.path.join(folder, "talk.pcap"), "wb") as f:
                f.write(capture)
            capture = f.name
        if args:
            with open(os.path.join(folder, "config.yaml"), "w", encoding="utf-8") as f:
                f.write(args)
            args = ["-c", f.name]
        found = list(alerts(kept(capture, folder, "--set", "evidence.level=low", *UNFOLDED, *args)))
        replayed = {}
        return name, len(found), [fault for alert, verdict in found for fault in faults_of(alert, verdict, replayed, *args)]


def captures():
    for path in sorted(glob.glob(os.path.join(PCAPS, "**", "*.pcap*"), recursive=True)):
        name = os.path.relpath(path, PCAPS)
        if name != TWO_LINKS:
            yield name, path, ""


def dialogues():
    """Those that stand in cases, with their configuration: correlations and values are shown there."""
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "cases", "**", "*.yaml"), recursive=True)):
        with open(path, encoding="utf-8") as f:
            cases = list(yaml.load_all(f, Loader=yaml.CSafeLoader))
        for case in cases:
            for part in [case, *case.get("fires", [])]:
                if not isinstance(part, dict) or "talk" not in part or {"rules", "args", "exit"} & (set(part) | set(case)):
                    continue
                config = part.get("config", case.get("config", ""))
                text = config if isinstance(config, str) else yaml.safe_dump(config)
                name = "%s %s" % (os.path.relpath(path, ROOT), case.get("rule", case.get("about")))
                yield name, talk.build(part["talk"]), text


def proofs():
    proven = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, count, faults in pool.map(lambda one: prove(*one), [*captures(), *dialogues()]):
            if count or faults:
                proven += check("%s: %d" % (name, count), not faults, "\n".join(faults))
    check("there was something to prove", proven > 250, proven)


def slices(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".pcap"))


def stats(events):
    return next(e["stats"]["evidence"] for e in events if e["event_type"] == "stats")


def anomalies(events):
    return [e["anomaly"]["event"] for e in events if e["event_type"] == "anomaly"]


def files(folder):
    events = kept(PLANT, os.path.join(folder, "a", "b"), "--events", "stats")
    high = [e for e in events if e["event_type"] == "alert" and e["alert"]["severity"] <= 2]
    named = [os.path.basename(e["bongsu"]["evidence"]["slice"]) for e in high]
    folder = os.path.join(folder, "a", "b")
    check("each alert from high up has its capture, and none below", high and sorted(named) == slices(folder) and
          named == ["0-%d.pcap" % e["bongsu"]["n"] for e in high], (named, slices(folder)))
    with open(os.path.join(ROOT, "tests", "eve.schema.json"), encoding="utf-8") as f:
        schema = jsonschema.Draft7Validator(json.load(f))
    check("the events are as the schema says", not [e for event in events for e in schema.iter_errors(event)])
    check("stats count them", stats(events) == {"kept": len(high), "none": 0, "failed": 0, "deleted": 0}, stats(events))
    modes = {stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in slices(folder)}
    check("nobody else may read them", modes == {0o600} and stat.S_IMODE(os.stat(folder).st_mode) == 0o700, modes)
    before = {name: open(os.path.join(folder, name), "rb").read() for name in slices(folder)}
    open(os.path.join(folder, "7-1.pcap.part"), "wb").close()
    open(os.path.join(folder, "notes.pcap"), "wb").close()
    again = kept(PLANT, folder, "--events", "stats")
    check("the same again: the same events and bytes", again == events and
          all(open(os.path.join(folder, name), "rb").read() == text for name, text in before.items()))
    check("what was half written is gone, what is not ours stays", sorted(os.listdir(folder)) == sorted([*before, "notes.pcap"]), os.listdir(folder))
    frames = struct.unpack("<IHHiIII", before[named[0]][:24])
    check("nanoseconds and the link type are in the header", frames == (0xa1b23c4d, 2, 4, 0, 0, 262144, 1), frames)


def bounds(folder):
    few = kept(PLANT, os.path.join(folder, "few"), "--events", "stats", "--set", "evidence.rate=2")
    count = stats(few)
    check("so many a minute, the rest is counted and told of", count["kept"] == 2 and count["none"] > 1 and "evidence_full" in anomalies(few), count)
    check("alerts without a capture name none", sum("slice" in e["bongsu"].get("evidence", {}) for e in few) == 2)
    many = os.path.join(folder, "many")
    os.mkdir(many)
    for i in range(3):
        with open(os.path.join(many, "5-%d.pcap" % i), "wb") as f:
            f.truncate(400000)
        os.utime(f.name, (i + 1, i + 1))
    count = stats(kept(PLANT, many, "--events", "stats", "--set", "evidence.size=1"))
    check("the oldest are deleted at the folder's cap", count["deleted"] == 1 and "5-0.pcap" not in slices(many) and "5-1.pcap" in slices(many) and
          len(slices(many)) == count["kept"] + 2, (count, slices(many)))


def long_talk(path):
    """Ten thousand polls, then a restart: far more than one capture may hold."""
    text = ["tcp 10.9.0.5:41000 > 10.9.0.10:502", "step 1ms"]
    for i in range(1, 10001):
        text += ["> mbap %d 1: 03 0064 0010" % i, "< mbap %d 1: 03 20 %s" % (i, "0001" * 16)]
    text += ["> mbap 10001 1: 08 0001 0000", "< mbap 10001 1: 08 0001 0000", "close"]
    with open(path, "wb") as f:
        f.write(talk.build("\n".join(text)))


def caps(folder):
    capture, out = os.path.join(folder, "long.pcap"), os.path.join(folder, "long")
    long_talk(capture)
    for memory in ("1", "64"):
        found = list(alerts(kept(capture, out, "--set", "evidence.memory=" + memory, "--set", "evidence.slice=16")))
        sizes = [os.path.getsize(os.path.join(out, name)) for name in slices(out)]
        check("no capture is larger than its cap (memory %s MiB)" % memory, sizes and max(sizes) <= 16384 and max(sizes) > 8000, sizes)
        faults = [fault for alert, verdict in found for fault in faults_of(alert, verdict, {})]
        check("and it still proves its alert", found and not faults, faults)
        shutil.rmtree(out)


def small_files():
    """A disk with room for 100 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def failures(folder):
    out = os.path.join(folder, "full")
    events = kept(PLANT, out, "--events", "stats", preexec_fn=small_files)
    count = stats(events)
    check("a disk that takes nothing: counted, told of, every alert goes out", count["failed"] == count["kept"] > 3 and
          "evidence_failed" in anomalies(events) and os.listdir(out) == [], (count, os.listdir(out)))
    plain = [e["alert"]["signature_id"] for e in replay(PLANT) if e["event_type"] == "alert"]
    check("as without evidence", plain == [e["alert"]["signature_id"] for e in events if e["event_type"] == "alert"])
    path = os.path.join(folder, "file")
    open(path, "w", encoding="utf-8").close()
    for args, status, word in (("evidence.folder=" + path, 1, "evidence.folder"), ("evidence.level=loud", 3, "evidence.level")):
        done = subprocess.run([SENSOR, "--quiet", "-r", PLANT, "-S", os.path.join(ROOT, "rules"), "--set", args], capture_output=True, text=True)
        check("%s is refused with status %d" % (word, status), done.returncode == status and word in done.stderr, (done.returncode, done.stderr))


def main():
    with tempfile.TemporaryDirectory(prefix="bongsu-evidence-") as folder:
        for test in (files, bounds, caps, failures):
            test(folder)
    proofs()
    print("%d passed, %d failed" % (results["passed"], results["failed"]))
    return results["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
