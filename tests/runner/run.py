#!/usr/bin/python3
"""run.py - does the runner of cases fail when it should? A stand-in for the sensor says what the test wants it to say.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "cases")
sys.path.insert(0, CASES)
import run_cases                                                              # noqa: E402

STAND_IN = r"""#!/usr/bin/python3
import os, sys
words = sys.argv[1:]
for name, at in (("PDUS", words[words.index("--pdus") + 1]), ("EVE", words[words.index("-o") + 1][5:])):
    with open(at, "w") as f:
        f.write(open(os.path.join(os.path.dirname(sys.argv[0]), name)).read())
sys.stderr.write(open(os.path.join(os.path.dirname(sys.argv[0]), "SAID")).read())
sys.exit(int(open(os.path.join(os.path.dirname(sys.argv[0]), "STATUS")).read()))
"""
TALK = "tcp 10.9.0.5:41000 > 10.9.0.10:502\n> mbap 1 17: 03 0000 0001\n"
results = []


def real(folder, sensor):
    """What the true sensor says of TALK, so that the schemas are met."""
    capture, pdus, eve = (os.path.join(folder, n) for n in ("real.pcap", "real.pdus", "real.eve"))
    with open(capture, "wb") as f:
        f.write(run_cases.talk.build(TALK + "< mbap 1 17: 83 02\n"))
    subprocess.run([sensor, "--quiet", "-r", capture, "-S", os.path.join(HERE, "..", "..", "rules"), "--pdus", pdus, "-o", "file:" + eve], check=True)
    return open(pdus, encoding="utf-8").read(), open(eve, encoding="utf-8").read()


def goal_starts(goal, says, **env):
    """A goal of the Makefile that `make check` does not run comes as far as its first figures."""
    said = subprocess.run([os.path.join(HERE, "..", "run"), "--build", os.environ.get("BUILD", "build"), goal], capture_output=True, text=True,
                          env=dict(os.environ, **env), timeout=300)
    results.append(says in said.stdout)
    print("%s %s starts%s" % ("ok   " if results[-1] else "FAIL ", goal, "" if results[-1] else ": " + said.stdout + said.stderr))


def main():
    sensor = os.environ.get("SENSOR", os.path.join(HERE, "..", "..", "build", "bongsu-sensor"))
    with tempfile.TemporaryDirectory() as folder:
        pdus, eve = real(folder, sensor)
        fake = os.path.join(folder, "sensor")
        with open(fake, "w", encoding="utf-8") as f:
            f.write(STAND_IN)
        os.chmod(fake, 0o755)
        runner = run_cases.Runner(fake, False)
        sid = next((json.loads(line)["alert"]["signature_id"] for line in eve.splitlines() if '"alert":{' in line), None)

        def check(what, case, good, pdus=pdus, eve=eve, said="", status="0"):
            for name, text in (("PDUS", pdus), ("EVE", eve), ("SAID", said), ("STATUS", status)):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                    f.write(text)
            faults = runner.case("x", case)[1]
            results.append((not faults) == good)
            print("%s %s%s" % ("ok   " if results[-1] else "FAIL ", what, "" if results[-1] else ": %s" % faults))

        read = {"proto": "modbus", "code": 3, "dir": "req"}
        case = lambda **more: dict({"talk": TALK}, **more)
        check("what is there is found", case(pdus=[{"where": read, "count": 1}]), True)
        check("a path into fields", case(pdus=[{"where": {"fields.unit_id": 17}}]), True)
        check("a wrong value", case(pdus=[{"where": dict(read, code=4)}]), False)
        check("a wrong count", case(pdus=[{"where": read, "count": 2}]), False)
        check("count 0 where there is one", case(pdus=[{"where": read, "count": 0}]), False)
        check("max exceeded", case(pdus=[{"where": {"proto": "modbus"}, "max": 1}]), False)
        check("true is not 1", case(pdus=[{"where": {"fields.transaction_id": True}}]), False)
        check("absent", case(pdus=[{"where": {"proto": "modbus", "fields.nothing": {"absent": True}}}]), True)
        check("absent, and there it is", case(pdus=[{"where": {"fields.unit_id": {"absent": True}}}]), False)
        check("tests of a value", case(pdus=[{"where": {"fields.unit_id": {"gt": 16, "lte": 17}, "name": {"re": "^read"}}}]), True)
        check("a test that does not hold", case(pdus=[{"where": {"fields.unit_id": {"gt": 17}}}]), False)
        check("no expectation", case(), False)
        check("an empty where", case(pdus=[{"where": {}}]), False)
        check("an unknown key", case(pdu=[{"where": read}]), False)
        check("an unknown key of an expectation", case(pdus=[{"where": read, "times": 1}]), False)
        check("no capture", {"pdus": [{"where": read}]}, False)
        check("a capture that is not there", {"capture": "no/such.pcap", "pdus": [{"where": read}]}, False)
        check("a wrong total", case(pdu_total=3), False)
        check("the right total", case(pdu_total=2), True)
        check("another exit status", case(pdu_total=2), False, status="5")
        check("that exit status", case(pdu_total=2, exit=5), True, status="5")
        check("a text on stderr", case(stderr="no such"), False, said="something else\n")
        check("a sanitizer speaks", case(pdu_total=2), False, said="==1==ERROR: AddressSanitizer: heap-use-after-free\n")
        check("undefined behaviour", case(pdu_total=2), False, said="a.c:1:2: runtime error: shift\n")
        check("no JSON", case(pdu_total=2), False, pdus=pdus + "{\n")
        check("a member the schema does not know", case(pdu_total=2), False,
              pdus=pdus.replace('"proto":', '"more":1,"proto":', 1))
        check("an event the schema does not know", case(pdu_total=2), False, eve=eve + '{"event_type":"alert"}\n')
        rule = lambda **more: dict({"rule": sid, "fires": TALK, "near_miss": TALK}, **more)
        check("an alert to try with", case(events=[{"where": {"alert.signature_id": sid}}]), True)
        check("a rule whose near miss fires", rule(), False)
        check("a rule that does not fire", rule(rule=4), False)
        check("a rule without a near miss", {"rule": sid, "fires": TALK}, False)
        check("a near miss of nothing", rule(rule=4, fires=[]), False, pdus="", eve="")
    goal_starts("bench", "CPU beside a bare pcap_next_ex loop", BENCH_PART="sensor", BENCH_MB="1", BENCH_ROUNDS="1", BONGSU_SHARED="/nonexistent")
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return not all(results)


if __name__ == "__main__":
    sys.exit(main())
