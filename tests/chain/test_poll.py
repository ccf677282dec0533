"""The long poll downward: one that has nothing to wait for but its time is answered when that is over."""
import glob
import http.client
import os
import ssl
import threading
import time

from kit import equal


def test_an_idle_poll_is_answered_in_time(world):
    nation = world.node("nation", "nation")
    province = world.node("province", "province", [nation], region="370000", start=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(glob.glob(os.path.join(province.folder, "parents", "*", "cert.pem"))[0],
                            os.path.join(province.folder, "node.key"))
    seen = {}

    def poll(seconds):
        began = time.monotonic()
        c = http.client.HTTPSConnection("127.0.0.1", nation.port, context=context, timeout=30)
        c.request("GET", "/chain/1/down?after=0&wait=%d" % seconds)
        status = c.getresponse().status
        took = time.monotonic() - began
        seen[seconds] = (status, took >= seconds, took < seconds + 10)
        c.close()

    polls = [threading.Thread(target=poll, args=(s,)) for s in (1, 2, 3)]
    for p in polls:
        p.start()
    for p in polls:
        p.join()
    equal(seen, {s: (204, True, True) for s in (1, 2, 3)}, "status, not before, not long after")
    nation.stop()
