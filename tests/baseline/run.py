#!/usr/bin/python3
"""run.py - a baseline that is learned on the first half of real traffic is quiet on the second, and tells each deviation.

Where ../shared/pcaps is present: each capture of HALVES is cut in two, learned twice (the same bytes), judged, and judged again with
each dialogue of its deviations behind it, which must give just the rule it is meant for. Always: what is grave is never learned
unasked, a baseline holds what it was learned from, the verbs of acts are those of the rules, and learn keeps what a file holds.
"""
import collections
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "pcaps"))
import talk                                                                   # noqa: E402

SHARED = os.path.join(os.environ.get("BONGSU_SHARED", os.path.join(ROOT, "..", "shared")), "pcaps")
SENSOR = os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor")
STRANGER, COMMANDS, UNIT, PROTOCOL, REVERSAL, VERB, GRAVE, FUNCTION, READ, WRITE, RATE, FORBIDDEN = range(1480001, 1480013)

S7_READ = "> s7 1 1: 04 01 12 0a 10 02 0004 %04x 84 000020\n< s7 3 1 0: 04 01 / ff 04 0020 00000001"
S7_WRITE = "> s7 1 1: 05 01 12 0a 10 02 0001 %04x 84 %06x / 00 04 0008 01\n< s7 3 1 0: 05 01 / ff"
S7_STOP = '> s7 1 1: 29 00*5 09 "P_PROGRAM"\n< s7 3 1 0: 29'
MODBUS = "tcp 192.168.0.%d:41000 > 192.168.0.%d:502\n%s"
S7 = "tcp 194.250.63.%d:41000 > 194.250.63.%d:102\n%s"
DNP3 = "tcp 127.0.0.%d:41000 > 127.0.0.1:20000\n%s"
POLLS = "\n".join("> mbap %d 1: 04 0000 0001\n< mbap %d 1: 04 02 0001\nwait 10ms" % (n, n) for n in range(1, 150))
HALVES = {
    "modbus/iti__modbus_test_2": ("2017-06-09T08:20:00", [
        ("a stranger reads", STRANGER, MODBUS % (77, 20, "> mbap 1 1: 04 0000 0001\n< mbap 1 1: 04 02 0001")),
        ("a stranger writes", COMMANDS, MODBUS % (77, 20, "> mbap 1 1: 06 0000 0001\n< mbap 1 1: 06 0000 0001")),
        ("another unit", UNIT, MODBUS % (21, 20, "> mbap 1 9: 04 0000 0001\n< mbap 1 9: 04 02 0001")),
        ("S7", PROTOCOL, "tcp 192.168.0.21:41000 > 192.168.0.20:102\n" + S7_READ % 1),
        ("the device asks its client", REVERSAL, MODBUS % (20, 21, "> mbap 1 1: 04 0000 0001\n< mbap 1 1: 04 02 0001")),
        ("the first write", VERB, MODBUS % (21, 20, "> mbap 1 7: 06 0004 0001\n< mbap 1 7: 06 0004 0001")),
        ("listen-only", GRAVE, MODBUS % (21, 20, "> mbap 1 7: 08 0004 0000")),
        ("coils", FUNCTION, MODBUS % (21, 20, "> mbap 1 1: 01 0000 0001\n< mbap 1 1: 01 01 01")),
        ("other registers", READ, MODBUS % (21, 20, "> mbap 1 1: 04 00c8 0001\n< mbap 1 1: 04 02 0001")),
        ("three times as often", RATE, MODBUS % (21, 20, POLLS)),
    ]),
    "s7comm/gymgit__wincc_s400_production": ("2015-07-08T20:10:00", [
        ("a stranger reads", STRANGER, S7 % (77, 170, S7_READ % 100)),
        ("a stranger stops the CPU", COMMANDS, S7 % (77, 170, S7_STOP)),
        ("the station of every day stops it", GRAVE, S7 % (239, 170, S7_STOP)),
        ("a data block of another make is written", WRITE, S7 % (239, 170, S7_WRITE % (300, 32))),
        ("bytes that nobody wrote", WRITE, S7 % (239, 170, S7_WRITE % (102, 2400))),
        ("a data block far away is read", READ, S7 % (239, 170, S7_READ % 900)),
        ("the controller asks the station", REVERSAL, S7 % (170, 239, S7_READ % 100)),
    ]),
    "dnp3/suricata-verify__dnp3-eve": ("2015-07-14T18:00:00", [
        ("a stranger polls", STRANGER, DNP3 % (7, "> dnp3 1 10: c1 01 3c 02 06\n< dnp3 10 1: c1 81 0000")),
        ("a relay is operated", VERB, DNP3 % (1, "> dnp3 1 10: c1 05 0c 01 17 01 03 41 01 64000000 64000000 00\n"
                                                 "< dnp3 10 1: c1 81 0000 0c 01 17 01 03 41 01 64000000 64000000 00")),
        ("cold restart", GRAVE, DNP3 % (1, "> dnp3 1 10: c1 0d\n< dnp3 10 1: c1 81 0000")),
        ("analog inputs by index", READ, DNP3 % (1, "> dnp3 1 10: c1 01 1e 02 00 00 05\n< dnp3 10 1: c1 81 0000")),
        ("another outstation", UNIT, DNP3 % (1, "> dnp3 1 11: c1 01 3c 02 06\n< dnp3 11 1: c1 81 0000")),
    ]),
}
# What a rule calls by the message's purpose, where its act is only the means.
OTHERWISE = {"Control or restart sent to all outstations", "S7 CPU pushes a diagnostic event", "S7-1200/1500 program read",
             "File operation refused", "Modbus communications restarted and event log cleared", "S7 unknown programmer command", "Message to the self address",
             "S7-1200/1500 request refused", "S7 routed connection", "Modbus request to a reserved unit id", "S7 outputs written",
             "S7-1200/1500 outputs or inputs written"}


def sensor(*args, status=(0, 5)):
    done = subprocess.run([SENSOR, *args, "-S", os.path.join(ROOT, "rules")], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode in status, "status %d: %s" % (done.returncode, said[-1500:])
    return done.stdout.decode("utf-8", "replace"), said


def halves(path, folder):
    with open(path, "rb") as f:
        data = f.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, frames = 24, []
    while at + 16 <= len(data):
        size = 16 + struct.unpack(order + "I", data[at + 8:at + 12])[0]
        frames.append(data[at:at + size])
        at += size
    paths = []
    for name, part in (("first", frames[:len(frames) // 2]), ("second", frames[len(frames) // 2:])):
        paths.append(os.path.join(folder, name + ".pcap"))
        with open(paths[-1], "wb") as f:
            f.write(data[:24] + b"".join(part))
    return paths


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)
    return path


def judged(folder, baseline, *captures):
    """How often each rule of the service baseline held."""
    config = write(folder, "sensor.yaml", "baseline: [{name: run, file: %s}]\n" % json.dumps(baseline))
    files = [word for capture in captures for word in ("-r", capture)]
    out, _ = sensor("--quiet", "-k", "none", "-c", config, "-o", "-", *files)
    alerts = [e for e in map(json.loads, out.splitlines()) if e["event_type"] == "alert" and e["app_proto"] == "baseline"]
    return collections.Counter(e["alert"]["signature_id"] for e in alerts)


def half(folder, capture):
    """Faults of one capture, and how many things were tried."""
    start, deviations = HALVES[capture]
    first, second = halves(os.path.join(SHARED, capture + ".pcap"), folder)
    learned, _ = sensor("learn", "--quiet", "-k", "none", "-r", first)
    again, _ = sensor("learn", "--quiet", "-k", "none", "-r", first)
    faults = [] if learned == again else ["learned twice, the same half gives other bytes"]
    baseline = write(folder, "site.yaml", learned)
    told = judged(folder, baseline, second)
    if told:
        faults.append("not quiet on the second half: %s" % dict(told))
    more, _ = sensor("learn", "--quiet", "-k", "none", "-r", second, "--diff", baseline)
    if "+" in more:
        faults.append("the second half would add:\n" + more)
    for about, sid, lines in deviations:
        injected = write(folder, "more.pcap", talk.build("start %s\n%s\n" % (start, lines)))
        told = judged(folder, baseline, second, injected)
        if set(told) != {sid}:
            faults.append("%s: %s, not %d" % (about, dict(told), sid))
    return faults, 3 + len(deviations)


def never_unasked(folder):
    """Stop, start and what else is grave waits for a decision; then it is as was decided."""
    day = write(folder, "day.pcap", talk.build(
        "tcp 10.9.0.6:41000 > 10.9.0.10:502\n> mbap 1 17: 5a 01 41 ff 00\n< mbap 1 17: 5a 01 fe\n"
        "> mbap 2 17: 03 0064 0002\n< mbap 2 17: 03 04 0001 0002\n"))
    site = os.path.join(folder, "day.yaml")
    sensor("learn", "--quiet", "-r", day, "-o", site, "--name", "maintenance")
    with open(site, encoding="utf-8") as f:
        text = f.read()
    faults = [] if re.search(r"decide:\n +umas\.stop_plc: \{allow: ask\} +# stop, 1 times", text) else ["not to decide: " + text]
    config = write(folder, "ask.yaml", "baseline: {name: run, file: %s}\n" % json.dumps(site))
    _, said = sensor("-T", "-c", config, status=(3,))
    if not re.search(r"day\.yaml:\d+:\d+: decide it: yes or no for umas\.stop_plc", said):
        faults.append("taken undecided: " + said)
    for answer, expected in (("yes", {}), ("no", {FORBIDDEN: 1})):
        decided = write(folder, "decided.yaml", text.replace("allow: ask", "allow: " + answer))
        if judged(folder, decided, day) != collections.Counter(expected):
            faults.append("decided %s: %s" % (answer, dict(judged(folder, decided, day))))
    _, said = sensor("learn", "--quiet", "-r", day, "-o", site, status=(2,))
    with open(site, encoding="utf-8") as f:
        if "holds something" not in said or f.read() != text:
            faults.append("a file with decisions was written over: " + said)
    return faults, 4


def bounded(folder):
    """More units than there is room for: the file says so, and holds as many as there may be."""
    lines = "".join("> mbap %d %d: 03 0064 0002\n< mbap %d %d: 03 04 0001 0002\n" % (n, n, n, n) for n in range(1, 41))
    day = write(folder, "day.pcap", talk.build("tcp 10.9.0.6:41000 > 10.9.0.10:502\n" + lines))
    text, _ = sensor("learn", "--quiet", "-r", day, "--set", "limits.talks=16")
    good = text.count("client:") == 16 and "# NOT ALL: 24 requests found no room" in text
    return [] if good else ["40 units in room for 16: " + text], 1


def consistent(folder):
    """What is learned of all captures, and decided, has nothing to tell of in them."""
    captures = sorted(glob.glob(os.path.join(ROOT, "pcaps", "*", "*.pcap")))
    files = [word for capture in captures for word in ("-r", capture)]
    text, _ = sensor("learn", "--quiet", "-k", "none", *files)
    told = judged(folder, write(folder, "all.yaml", text.replace("allow: ask", "allow: yes")), *captures)
    few = [] if text.count("client:") > 20 and text.count("allow: ask") > 20 else ["hardly anything was learned"]
    return few + (["told of what was learned: %s" % dict(told)] if told else []), 1


def verbs(folder):
    """Nothing is known: each request is told with the verb of its act, and rules tell theirs of the same message."""
    config = write(folder, "nothing.yaml", "alerts: {fold: false}\nevents: [baseline]\nbaseline: [{name: none, talks: []}]\n")
    faults, compared = [], 0
    files = [word for capture in sorted(glob.glob(os.path.join(ROOT, "pcaps", "*", "*.pcap"))) for word in ("-r", capture)]
    out, _ = sensor("--quiet", "-k", "none", *files, "-c", config, "-o", "-")
    acts, events = collections.defaultdict(list), [json.loads(line) for line in out.splitlines()]
    for e in events:
        fields = e["baseline"]["fields"] if e["event_type"] == "baseline" else {}
        if "function" in fields:
            acts[e["pcap_filename"], e["pcap_cnt"], fields["protocol"]].append(fields)
    for e in events:
        if e["event_type"] != "alert" or "verb" not in e["bongsu"] or e["alert"]["signature"] in OTHERWISE:
            continue
        told = acts.get((e["pcap_filename"], e.get("pcap_cnt"), e["app_proto"]), [])
        compared += len(told) == 1
        if len(told) == 1 and told[0].get("verb") != e["bongsu"]["verb"]:
            faults.append("%s: %s is %s, the rule %s says %s" % (e["pcap_filename"], told[0]["function"], told[0].get("verb"),
                                                                 e["alert"]["signature"], e["bongsu"]["verb"]))
    return faults if compared > 100 else faults + ["only %d compared" % compared], 1


def main():
    passed, failed, skipped = 0, 0, 0
    checks = [(check.__name__, check) for check in (never_unasked, bounded, consistent, verbs)]
    for capture in HALVES:
        if os.path.exists(os.path.join(SHARED, capture + ".pcap")):
            checks.append((capture, lambda folder, capture=capture: half(folder, capture)))
        else:
            print("SKIP %s is not here" % capture)
            skipped += 1
    for name, check in checks:
        with tempfile.TemporaryDirectory() as folder:
            faults, tried = check(folder)
        for fault in faults:
            print("FAIL %s: %s" % (name, fault))
        failed += len(faults)
        passed += max(tried - len(faults), 0)
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
