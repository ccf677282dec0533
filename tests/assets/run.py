#!/usr/bin/python3
"""run.py - bongsu-sensor assets as its users meet it: table, JSON, DOT and SVG, of ordinary and of hostile captures.

What devices say of themselves comes from the wire: whatever it is, the table writes no control character, JSON is JSON, SVG is XML
without elements of others, DOT is read by Graphviz where that is installed.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SENSOR = os.environ.get("SENSOR", os.path.join(os.environ.get("BUILD", os.path.join(ROOT, "build")), "bongsu-sensor"))
SVG = "{http://www.w3.org/2000/svg}"
PLANT = os.path.join(ROOT, "pcaps", "demo", "plant.pcap")
results = []

sys.path.insert(0, os.path.join(ROOT, "pcaps"))
import talk  # noqa: E402 (found there)


def check(what, ok, seen=""):
    results.append(bool(ok))
    print("%s %s%s" % ("ok   " if ok else "FAIL ", what, "" if ok else ": %s" % str(seen)[:3000]))


def assets(*args, cwd=None):
    done = subprocess.run([SENSOR, "assets", "--quiet", *args], capture_output=True, timeout=60, cwd=cwd, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def objects(*args):
    status, out, err = assets("--json", *args)
    return {(d["address"], d.get("unit") if "units" not in d and "peers" not in d else None): d for d in map(json.loads, out.splitlines())}


def identified(texts):
    """A controller that says these bytes of itself."""
    body = bytes([0x2b, 0x0e, 1, 1, 0, 0, len(texts)]) + b"".join(bytes([n, len(t)]) + t for n, t in enumerate(texts))
    return talk.build("tcp 10.9.0.5:41000 > 10.9.0.10:502\n> mbap 1 17: 2b 0e 01 00\n< mbap 1 17: %s\n" % body.hex(), "identified")


HOSTILE = [
    [b"\x1b[2J\x1b]0;owned\x07", b"</text><script>alert(1)</script>", b"\" onload=\"x"],
    ["‮evil‬".encode(), b"\xff\xfe\xc0\xaf\xed\xa0\x80", "￾￿".encode()],
    [b"a\nb\r\tc\\n\"];x [label=\"", b"&amp;&#0;]]>", b"\x00\x01\x02"],
    [b"A" * 255, b"\x7f\x80\x9b31m", "長い名前の装置".encode() * 3],
    ["é".encode() * 60, b"'\"`$(id)", b"\\"],
]


def hostile(folder):
    for n, texts in enumerate(HOSTILE):
        path = os.path.join(folder, "hostile-%d.pcap" % n)
        with open(path, "wb") as f:
            f.write(identified([t[:80] if n != 3 else t for t in texts]))
        status, out, err = assets("-r", path)
        text = out.decode("utf-8")
        check("hostile %d: the table is plain text" % n, status == 0 and "10.9.0.10" in text and
              not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f‪-‮⁦-⁩]", text), repr(text))
        status, out, err = assets("--json", "-r", path)
        devices = [json.loads(line) for line in out.splitlines()]
        check("hostile %d: JSON is JSON, a device a line" % n, status == 0 and len(devices) == 2, out)
        status, out, err = assets("--svg", "-r", path)
        tree = xml.etree.ElementTree.fromstring(out)
        tags = {e.tag.replace(SVG, "") for e in tree.iter()}
        attributes = {a for e in tree.iter() for a in e.attrib}
        check("hostile %d: SVG has no element or attribute but ours" % n, status == 0 and
              tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "text", "g"} and not {a for a in attributes if a.startswith("on")}, tags)
        status, out, err = assets("--dot", "-r", path)
        lines = out.decode("utf-8").splitlines()
        odd = [line for line in lines if re.sub(r'"(\\.|[^"\\])*"', "", line).strip(" []{}=,;->") and not
               re.fullmatch(r'[\w\s=\[\],;{}>-]*', re.sub(r'"(\\.|[^"\\])*"', "", line))]
        check("hostile %d: every quote of DOT is closed where it was opened" % n, status == 0 and not odd, odd)
        if shutil.which("dot"):
            done = subprocess.run(["dot", "-Tsvg"], input=out, capture_output=True)
            check("hostile %d: Graphviz reads it" % n, done.returncode == 0 and done.stdout.count(b'class="node"') == 2, done.stderr)


def ordinary(folder):
    found = objects("-r", PLANT)
    roles = {d["address"]: d["role"] for d in found.values()}
    check("roles of the demo's plant", roles == {"10.9.0.5": "hmi", "10.9.0.6": "hmi", "10.9.0.7": "master", "10.9.0.10": "controller", "10.9.0.20": "controller",
                                                 "10.9.0.30": "outstation", "10.9.0.66": "engineering"}, roles)
    boiler = next(d for d in found.values() if d["address"] == "10.9.0.20")
    check("rack, slot, order number", (boiler["rack"], boiler["slot"], boiler["tsap"], boiler["product"]) == (0, 2, "0102", "6ES7 315-2EH14-0AB0"), boiler)
    check("who speaks to it", {(p["address"], p["protocol"], p["asks"]) for p in boiler["peers"]} == {("10.9.0.6", "s7comm", False), ("10.9.0.66", "s7comm", False)}, boiler)
    gateway = objects("-r", os.path.join(ROOT, "pcaps", "dnp3", "gateway.pcap"))
    units = sorted(d["unit"] for d in gateway.values() if d["role"] == "unit")
    check("outstations behind one address are told apart", len(units) == 3 and "gateway" in {d["role"] for d in gateway.values()}, gateway)

    with open(os.path.join(folder, "site.yaml"), "w") as f:
        f.write("names: {10.9.0.20: boiler}\nroles: {historian: [10.9.0.5]}\nzones: {cell: {level: 1, prefixes: [10.9.0.16/28]}}\n")
    site = os.path.join(folder, "site.yaml")
    named = objects("-c", site, "-r", PLANT)
    boiler = next(d for d in named.values() if d["address"] == "10.9.0.20")
    check("names, zones and levels of the configuration", (boiler["name"], boiler["zone"], boiler["level"]) == ("boiler", "cell", 1), boiler)
    given = next(d for d in named.values() if d["address"] == "10.9.0.5")
    check("a role that is given wins", given["role"] == "historian" and given["role_given"], given)

    with open(os.path.join(folder, "oui.txt"), "w") as f:
        f.write("00115F     (base 16)\t\tTest & <Makers>\r\n")
    with open(os.path.join(folder, "maker.pcap"), "wb") as f:
        f.write(talk.build("tcp 10.9.0.5:41000 > 10.9.0.10:502 macs 02:00:00:00:00:05 00:11:5f:00:00:01\n> mbap 1 1: 03 0064 0002\n< mbap 1 1: 03 04 0001 0002\n"))
    vendors = [d.get("vendor") for d in objects("--set", "assets.makers=" + os.path.join(folder, "oui.txt"), "-r", os.path.join(folder, "maker.pcap")).values()]
    check("makers of network cards", vendors == [None, "Test & <Makers>"], vendors)
    status, out, err = assets("--set", "assets.makers=/nowhere", "-r", os.path.join(folder, "maker.pcap"))
    check("without the list nobody is named, and nothing fails", status == 0 and b"00:11:5f:00:00:01\n" not in out and err == "", (out, err))

    status, out, err = assets("--svg", "-c", site, "-r", PLANT)
    texts = [e.text for e in xml.etree.ElementTree.fromstring(out).iter(SVG + "text")]
    check("the picture has levels, zones and devices", {"Level 1", "cell", "boiler", "7 devices, 6 conversations"} <= set(texts), texts)
    check("two runs make the same bytes", assets("--svg", "-c", site, "-r", PLANT)[1] == out and assets("-r", PLANT)[1] == assets("-r", PLANT)[1])
    whole = assets("-r", os.path.join(ROOT, "pcaps", "real"))
    check("a folder of captures is one network", whole[0] == 0 and b"gateway" not in whole[1] and b"modbus s7comm" in whole[1], whole)


def kept(folder):
    """A day that follows another: who was there is no stranger, who comes is one."""
    devices, eve = os.path.join(folder, "devices"), os.path.join(folder, "eve.json")

    def day(text, *more):
        with open(os.path.join(folder, "day.pcap"), "wb") as f:
            f.write(talk.build(text))
        if os.path.exists(eve):
            os.unlink(eve)
        done = subprocess.run([SENSOR, "-r", os.path.join(folder, "day.pcap"), "-S", os.path.join(ROOT, "rules"), "-o", "file:" + eve, *more,
                               "--set", "assets.file=" + devices, "--set", "assets.learn=20"], capture_output=True, text=True)
        with open(eve, encoding="utf-8") as f:
            return {e["src_ip"] for e in map(json.loads, f) if e["event_type"] == "alert" and e["alert"]["signature_id"] == 1400001}, done.stderr

    poll = "tcp 10.9.0.5:41000 > 10.9.0.10:502\n> mbap 1 17: 03 0064 0002\n< mbap 1 17: 03 04 0001 0002\nwait 30s\n> mbap 2 17: 03 0064 0002\nwait 2s\n"
    stranger = "tcp 10.9.0.66:41000 > 10.9.0.10:502\n> mbap 1 17: 03 0064 0002\n< mbap 1 17: 03 04 0001 0002\n"
    check("the first day is for learning", day(poll, "--quiet") == (set(), ""), devices)
    check("the second knows who was there", day(poll, "--quiet") == (set(), ""))
    check("and who was not", day(poll + stranger, "--quiet") == ({"10.9.0.66"}, ""))
    with open(devices, "a") as f:
        f.write("nonsense\n")
    found, err = day(poll)
    check("a damaged line is left out, and said", found == set() and "1 lines make no sense" in err, (found, err))


def mistakes(folder):
    for args, word in ((["--json", "--svg", "-r", PLANT], "do not go together"), (["--set", "assets.devices=0", "-r", PLANT], "assets.devices is 0"),
                       (["-r", "/nowhere.pcap"], "nowhere"), (["--jsn", "-r", PLANT], "--jsn")):
        status, out, err = assets(*args)
        check("refused: %s" % " ".join(args[:2]), status != 0 and word in err and not out, (status, err))
    empty = os.path.join(folder, "empty.pcap")
    with open(empty, "wb") as f:
        f.write(talk.Capture().pcap())
    for form, size in ((), 0), (("--json",), 0), (("--dot",), 1), (("--svg",), 1):
        status, out, err = assets(*form, "-r", empty)
        check("an empty capture %s" % " ".join(form), status == 0 and (len(out) > 0) == bool(size), out)
    status, out, err = assets("-h")
    check("-h says how", status == 0 and b"--svg" in out, out)


with tempfile.TemporaryDirectory() as home:
    ordinary(home)
    hostile(home)
    mistakes(home)
    kept(home)
print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
sys.exit(not all(results))
