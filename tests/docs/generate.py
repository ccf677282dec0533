#!/usr/bin/python3
"""generate.py - the parts of the documents that the programs themselves say.

usage: tests/docs/generate.py [--check] BUILD      --check only tells what is stale (status 1)

rules/FIELDS.md from --list-fields, packaging/*.yaml and the settings in bongsu-aggregator.8 from --dump-config, the table of
members in aggregator/chain.md from --fields, the sample in README.md and its picture from the demo's capture.
"""
import os
import re
import subprocess
import sys
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SAMPLE = re.compile(r"(<!-- sample: bongsu-tail (.*?) -->\n```\n).*?(```\n)", re.S)


def output(*command):
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.decode()


def fields(build):
    return """# What rules can name

Every field, as `bongsu-sensor --list-fields` prints it (made by `make docs`): name, type, sentence; below it the values that have
names. The language is in [README.md](README.md).

```
%s```
""" % output(build + "/bongsu-sensor", "--list-fields")


def picture(build):
    """The devices of the demo's plant, as README.md shows them."""
    return output(build + "/bongsu-sensor", "assets", "--quiet", "--svg", "-r", "pcaps/demo/plant.pcap", "-c", "pcaps/demo/site.yaml", "--set", "assets.makers=/none")


def configuration(build):
    """Every setting with its default, commented out but for what each site must say."""
    lines = []
    for line in output(build + "/bongsu-sensor", "--dump-config").splitlines()[1:]:
        line = re.sub(r"\b18446744073709551615\b", "null", line)
        if line in ("sensor:", "evidence:"):
            lines.append(line)
        elif re.match(r"  folder: .*where the packets of alerts go", line):
            lines.append(line.replace("null", "/var/lib/bongsu/evidence"))
        elif re.match(r"  interfaces:", line):
            lines.append(line.replace("[]", "[eth1]"))
        elif line.startswith("outputs:"):
            lines.append(line.replace("[]", '["file:/var/log/bongsu/eve.json"]'))
        else:
            lines.append("#" + line)
    return """# sensor.yaml - the configuration of bongsu-sensor(8). Made by `make docs`.
# Every setting stands here; those with # in front show the default. Take the # off a setting and off the name of its section.
# To feed Redis: outputs: ["redis+unix:///run/redis/redis-server.sock"]; several outputs at once are fine.
%s
#
# Site facts, by way of example:
#lists:
#  engineering_hosts: [10.9.0.6, 10.9.0.7]
#names:
#  10.9.0.20: boiler controller
#  10.9.0.10: {name: feed pump, criticality: 90}
#roles:
#  engineering: [10.9.0.6]
#  hmi: [10.9.0.5]
#zones:
#  control: {level: 1, prefixes: [10.9.0.0/27]}
#  supervision: {level: 2, prefixes: [10.9.1.0/24]}
#conduits: # which zone may open what to which
#  - {from: supervision, to: control, protocols: [modbus, s7comm]}
#points:
#  feed pump/17:
#    boiler_pressure: {modbus: holding 100, type: float32, order: CDAB, unit: bar, low: 2, high: 12}
#    pump_running: {modbus: coil 5}
#interlocks:
#  - {name: pump_dry, when: {pump_running: 1, boiler_pressure: {lt: 1}}, for: 3s}
""" % "\n".join(line for line in lines if not re.match(r"#(lists|names|roles|zones|conduits|points|interlocks):", line))


def aggregator_settings(build):
    """Lines of --dump-config up to parents, which the places that show them explain themselves."""
    lines = output(build + "/bongsu-aggregator", "-c", "/dev/null", "--dump-config").splitlines()[1:]
    return [line for line in lines if not line.startswith("parents:")]


def aggregator_configuration(build):
    return """# aggregator.yaml - the configuration of bongsu-aggregator(8). Made by `make docs`.
# Every setting stands here; those with # in front show the default. Take the # off a setting and off the name of its section.
%s
# Where reports go: at most four, exactly one of them with link: count. The id is what `enroll join` or `enroll take` printed.
#parents:
#  - url: https://province.example:8443
#    org: 00000000000000000000000000000000
#    level: 1 # what leaves: 0 that the site is alive, 1 kinds and counts, 2 pseudonyms too, 3 evidence that was asked for
#    link: count # or view: a second parent, which does not add it up; only such a link may be limited:
#    region: "3705" # to this region, by its beginning
#    sector: C26 # to this sector, by its beginning
#    severity: 2 # to what is at least as severe, 1 critical to 4 low
""" % "\n".join("#" + line for line in aggregator_settings(build))


def manual(build):
    """The settings in bongsu-aggregator(8)."""
    text, section = [], ""
    for line in aggregator_settings(build):
        if not line.startswith(" "):
            section = line.rstrip(":")
            continue
        key, value, sentence = re.match(r" +(\w+): (.*?) # (.*)", line).groups()
        value = {"null": "none", "[]": "none"}.get(value, value.strip('"'))
        unit = re.search(r", ([A-Za-z/]+)$", sentence)
        if unit and value.isdigit():
            value, sentence = value + " " + unit[1], sentence[:unit.start()]
        text += [".It Ic %s.%s Pq %s" % (section, key, value), *textwrap.wrap(sentence.replace("…", "..."), 78)]
    return replaced("packaging/bongsu-aggregator.8", r'(\.\\" settings\n).*?(\.\\" end of settings\n)', "\n".join(text) + "\n")


def specification(build):
    made = output(build + "/bongsu-aggregator", "-c", "/dev/null", "--fields")
    return replaced("aggregator/chain.md", r"(<!-- members: bongsu-aggregator --fields -->\n).*?(<!-- end of members -->\n)", made)


def replaced(path, between, made):
    """The file with what stands between two groups of the pattern replaced."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return re.sub(between, lambda m: m[1] + made + m[2], f.read(), flags=re.S)


def readme(build):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        text = f.read()
    with tempfile.TemporaryDirectory() as folder:
        eve = os.path.join(folder, "eve.json")
        output(build + "/bongsu-sensor", "--quiet", "-r", "pcaps/demo/plant.pcap", "-S", "rules", "--set", "sensor.name=demo", "-o", "file:" + eve)
        return SAMPLE.sub(lambda m: m[1] + output(build + "/bongsu-tail", *m[2].split(), eve) + m[3], text)


def main():
    check, build = sys.argv[1:2] == ["--check"], os.path.abspath(sys.argv[-1])
    stale = []
    parts = {"rules/FIELDS.md": fields, "packaging/sensor.yaml": configuration, "packaging/aggregator.yaml": aggregator_configuration,
             "packaging/bongsu-aggregator.8": manual, "aggregator/chain.md": specification, "README.md": readme, "pcaps/demo/plant.svg": picture}
    for path, make in parts.items():
        made = make(build)
        whole = os.path.join(ROOT, path)
        old = open(whole, encoding="utf-8").read() if os.path.exists(whole) else None
        if old != made and check:
            stale.append(path)
        elif old != made:
            with open(whole, "w", encoding="utf-8") as f:
                f.write(made)
    for path in stale:
        print("%s is stale: make docs" % path)
    sys.exit(bool(stale))


if __name__ == "__main__":
    main()
