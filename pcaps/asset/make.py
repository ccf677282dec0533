#!/usr/bin/python3
"""make.py - a controller that is polled for a minute and then goes silent, in three ways, and one that is only slow."""
import os
import sys

import talk

POLL = "> mbap %d 17: 03 0064 0002\n< mbap %d 17: 03 04 0001 0002\n"
OTHER = "flow other\n" + POLL
ASKED = "flow pump\n> mbap %d 17: 03 0064 0002\n"


def dialogue(after):
    """Polled each 2 s for a minute; @after: what happens at each further step of 5 s."""
    lines = ["tcp 10.9.0.5:41000 > 10.9.0.10:502 as pump", "tcp 10.9.0.5:41001 > 10.9.0.11:502 as other"]
    for n in range(1, 31):
        lines += ["flow pump\n" + POLL % (n, n), OTHER % (n, n), "wait 2s"]
    for n in range(31, 61):
        lines += [after(n), OTHER % (n, n), "wait 5s"]
    return "\n".join(lines)


CAPTURES = {
    "silent_asked": lambda n: ASKED % n,
    "silent_unasked": lambda n: "",
    "silent_slow": lambda n: "flow pump\n" + POLL % (n, n) if n % 6 == 0 else "",
    "silent_and_back": lambda n: "flow pump\n" + POLL % (n, n) if n > 55 else ASKED % n,
}

for name, after in CAPTURES.items():
    with open(os.path.join(sys.argv[1], name + ".pcap"), "wb") as f:
        f.write(talk.build(dialogue(after), name))
