"""Who may connect: decided in the handshake, by certificates and revocations as they are now."""
import calendar
import glob
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import child as by_hand
from kit import Skip, equal, run, wait_for


def openssl(*args, **more):
    if shutil.which("openssl") is None:
        raise Skip("no openssl to make certificates with")
    return subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=30, **more)


def parent(world, **settings):
    return world.node("nation", "nation", settings={"chain.reload": 1, **{k.replace("__", "."): v for k, v in settings.items()}})


def firm_of(world, nation, name="firm", **how):
    node = world.node(name, "enterprise", region="370500", sector="C26", start=False, listen=False, parents=[(nation, how)])
    return node


def tried(port, context):
    """What a client gets: the status of GET /chain/1/head, or None where the connection ended without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
            s.sendall(b"GET /chain/1/head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            first = s.recv(100)
            return int(first.split()[1]) if first else None
    except (ssl.SSLError, ConnectionError):
        return None


def ends_unasked(port, context):
    """Is the connection ended though no request was sent? False: it is there after two seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
            s.settimeout(2)
            return s.recv(100) == b""
    except TimeoutError:
        return False
    except (ssl.SSLError, ConnectionError):
        return True


def paths(node, nation):
    folder = os.path.join(node.folder, "parents", nation.org)
    return os.path.join(folder, "ca.pem"), os.path.join(folder, "cert.pem"), os.path.join(node.folder, "node.key")


def certificate(world, name, org, ca, ca_key, key, days=2):
    """A client's certificate by another hand than the product's."""
    csr, crt, ext = (world.path(name + s) for s in (".csr", ".crt", ".ext"))
    openssl("req", "-new", "-key", key, "-subj", "/ST=370500/O=C26/OU=enterprise/CN=" + org, "-out", csr)
    with open(ext, "w") as f:
        f.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
    openssl("x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-set_serial", "77", "-days", str(days), "-extfile", ext, "-out", crt)
    return crt


def test_refused_in_the_handshake(world):
    """No certificate, a rogue authority's, an expired one, a server's, a revoked one: none reaches a handler."""
    nation = parent(world)
    firm = firm_of(world, nation)
    ca, cert, key = paths(firm, nation)
    # a rogue authority that calls itself as ours does
    rogue_key, rogue = world.path("rogue.key"), world.path("rogue.pem")
    openssl("genpkey", "-algorithm", "ed25519", "-out", rogue_key)
    openssl("req", "-x509", "-key", rogue_key, "-days", "2", "-subj", "/OU=authority/CN=" + nation.org, "-out", rogue)
    made = certificate(world, "rogue-client", firm.org, rogue, rogue_key, key)
    own = certificate(world, "self", firm.org, os.path.join(nation.folder, "ca.crt"), os.path.join(nation.folder, "ca.key"), key)
    nobody = certificate(world, "nobody", "not an organisation", os.path.join(nation.folder, "ca.crt"),
                         os.path.join(nation.folder, "ca.key"), key)
    expired = firm_of(world, nation, "expired", seconds=1)
    revoked = firm_of(world, nation, "revoked")
    nation.do("enroll", "revoke", revoked.org)
    wait_for(lambda: "read again" in nation.log())
    wait_for(lambda: openssl_expired(paths(expired, nation)[1], -1), 10)
    tries = {"none": by_hand.tls(ca), "rogue": by_hand.tls(ca, made, key), "nobody": by_hand.tls(ca, nobody, key),
             "a server's": by_hand.tls(ca, os.path.join(nation.folder, "server.crt"), os.path.join(nation.folder, "node.key")),
             "expired": by_hand.tls(*paths(expired, nation)), "revoked": by_hand.tls(*paths(revoked, nation))}
    for what, context in tries.items():
        equal((tried(nation.port, context), ends_unasked(nation.port, context)), (None, True), what)
    # both sides can tell why
    for pair, word in ((None, ""), (paths(expired, nation)[1:], "certificate_expired"), (paths(revoked, nation)[1:], "certificate_revoked"),
                       ((made, key), "unknown_ca"), ((nobody, key), "bad_certificate")):
        said = openssl_client(nation.port, ca, *(("-cert", pair[0], "-key", pair[1]) if pair else ()))
        assert "HTTP/1.1" not in said and word in said, said[-600:]
    for node, why in ((revoked, "is revoked"), (expired, "has ended")):
        tried(nation.port, by_hand.tls(*paths(node, nation)))
        wait_for(lambda: [a for a in nation.status()["alarms"] if (a["code"], a["about"]) == ("handshake-refused", node.org)
                          and why in a["text"]], what="an alarm: " + why)
    equal(tried(nation.port, by_hand.tls(ca, own, key)), 200, "one that our own authority signed by hand")
    good = by_hand.tls(ca, cert, key)
    equal((tried(nation.port, good), ends_unasked(nation.port, good)), (200, False), "the good one")


def openssl_expired(cert, within=0):
    """Has it ended, or will it within so many seconds? -1: for a second at least."""
    with open(cert) as f:
        der = ssl.PEM_cert_to_DER_cert(f.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
    end = re.findall(rb"\x17\r(\d{12}Z)", der)[1].decode()
    return calendar.timegm(time.strptime(end, "%y%m%d%H%M%SZ")) < int(time.time()) + within


def openssl_client(port, ca, *more):
    end = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-CAfile", ca, "-ign_eof", "-msg", *more],
                         input=b"GET /chain/1/head HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", capture_output=True, timeout=30)
    return (end.stdout + end.stderr).decode(errors="replace")


def test_version_and_tickets(world):
    """TLS 1.3 alone, and nothing to resume: a resumed session would skip the certificate."""
    nation = parent(world)
    firm = firm_of(world, nation)
    ca, cert, key = paths(firm, nation)
    for version in (ssl.TLSVersion.TLSv1_2,):
        equal(tried(nation.port, by_hand.tls(ca, cert, key, version)), None, version)
        equal(tried(nation.enrol_port, by_hand.tls(ca, version=version)), None, "the enrolment listener")
    said = openssl_client(nation.port, ca, "-cert", cert, "-key", key)
    assert "HTTP/1.1 200" in said, said
    assert "NewSessionTicket" not in said and "Resumption PSK" not in said, said
    context = by_hand.tls(ca, cert, key)
    c = by_hand.Child(firm, nation)
    c.context = context
    equal(c.ask("GET", "/chain/1/head").status, 200, "head")
    session = c.http.sock.session
    assert session is None or not session.has_ticket, session
    assert not c.http.sock.session_reused


def test_revoked_live(world):
    """A revocation while the child polls: its connection is cut, it does not come back, and it is a child no more."""
    nation = parent(world)
    firm = firm_of(world, nation).start()
    wait_for(lambda: (nation.child_of(firm) or {}).get("beat_ms"), what="a beat")
    live = by_hand.Child(firm, nation)
    equal(live.ask("GET", "/chain/1/head").status, 200, "head")
    nation.do("enroll", "revoke", firm.org)
    began = time.monotonic()
    wait_for(lambda: "revoked" in nation.log(), 20)
    cut = int(re.search(r"revoked, (\d+) connections cut", nation.log()).group(1))
    assert cut >= 2, nation.log()  # the poll and ours
    assert time.monotonic() - began < 10
    live.http.sock.settimeout(5)
    equal(live.http.sock.recv(10) if live.http.sock else b"", b"", "the live connection")
    beat = nation.child_of(firm)["beat_ms"]
    equal(tried(nation.port, by_hand.tls(*paths(firm, nation))), None, "again")
    time.sleep(2.5)
    equal(nation.child_of(firm)["beat_ms"], beat, "the last beat")
    # it is said once, also after a restart
    nation.restart()
    time.sleep(1.5)
    assert "revoked," not in nation.log(), nation.log()
    equal(tried(nation.port, by_hand.tls(*paths(firm, nation))), None, "after a restart")


def test_default_reload(world):
    """Without SIGHUP and at the default interval a revocation is seen within a minute."""
    nation = world.node("nation", "nation")
    firm = firm_of(world, nation)
    context = by_hand.tls(*paths(firm, nation))
    equal(tried(nation.port, context), 200, "before")
    nation.do("enroll", "revoke", firm.org)
    began = time.monotonic()
    wait_for(lambda: tried(nation.port, context) is None, 60, "refusal")
    print("after %.1f s" % (time.monotonic() - began))


def test_revoked_key(world):
    """Frames that a revoked key signed are refused, though the organisation has a new certificate."""
    nation = parent(world)
    firm = firm_of(world, nation)
    old = by_hand.Child(firm, nation)
    equal(old.post([old.digest(2)]).status, 200, "the first")
    left_over = [old.digest(1), old.digest(1)]
    nation.do("enroll", "revoke", firm.org)
    nation.hup()
    wait_for(lambda: "revoked," in nation.log())
    # the same key is not signed again
    place = ["--tier", "enterprise", "--region", "370500", "--sector", "C26"]
    status, _, err = nation.run("enroll", "sign", *place, stdin=firm.do("enroll", "request"))
    equal(status, 1, err)
    assert "revoked" in err, err
    os.rename(os.path.join(firm.folder, "node.key"), world.path("old.key"))
    firm.do("enroll", "take", stdin=nation.do("enroll", "sign", *place, stdin=firm.do("enroll", "request")))
    new = by_hand.Child(firm, nation)
    equal(new.ask("GET", "/chain/1/head").json["sq"], 1, "where it stands")
    a = new.post(left_over)
    equal([r["code"] for r in a.json["rej"]], ["revoked", "revoked"], a)
    new.ep, new.sq, new.pv, new.n = old.ep, old.sq, old.pv, old.n
    tombs = [new.tomb(line, "revoked") for line in left_over]
    equal(new.post([new.digest(3), *tombs]).json["dur"], [1, 4], "goes on with the new key")
    world.balanced(nation, 7, lost=2)
    equal(nation.balance()["lost_by"], {"revoked": 2}, "lost")


def test_reload_server(world):
    """A new certificate of the listener is shown to whoever connects from then on."""
    nation = parent(world)
    firm = firm_of(world, nation)
    ca = paths(firm, nation)[0]

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", nation.enrol_port))
    first = shown()
    os.unlink(os.path.join(nation.folder, "server.crt"))
    nation.do("enroll", "authority", "--tier", "nation", "--host", "127.0.0.1,elsewhere.example")
    wait_for(lambda: shown() != first, what="the new certificate")
    assert "elsewhere.example" in openssl("x509", "-noout", "-ext", "subjectAltName", input=shown().encode()).stdout.decode()
    equal(tried(nation.port, by_hand.tls(*paths(firm, nation))), 200, "children go on: " + ca)


def test_enrolment(world):
    """A listener for joining and nothing else; tokens are good once, for a time, for whom they name."""
    nation = parent(world)
    context = by_hand.tls(None)

    def ask(method, path, body=None, token=None):
        http = by_hand.http.client.HTTPSConnection("127.0.0.1", nation.enrol_port, context=context, timeout=20)
        try:
            http.request(method, path, body, {"Authorization": "Bearer " + token} if token else {})
            return by_hand.Answer(http.getresponse())
        finally:
            http.close()

    for method, path in (("GET", "/chain/1/head"), ("POST", "/chain/1/up"), ("GET", "/chain/1/down?after=0"), ("POST", "/chain/1/renew"),
                         ("GET", "/"), ("GET", "/metrics"), ("GET", "/api/1/status"), ("PUT", "/chain/1/enrol"), ("GET", "/chain/1/enrol")):
        equal(ask(method, path).status, 404, method + " " + path)
    with open(os.path.join(nation.folder, "ca.crt")) as f:
        equal(ask("GET", "/chain/1/ca").body.decode(), f.read(), "the authority")
    firm = world.node("firm", "enterprise", start=False, listen=False, parents=[])
    place = ["--tier", "enterprise", "--region", "370500", "--sector", "C26"]
    joins = ["enroll", "join", "https://127.0.0.1:%d" % nation.enrol_port]
    request = firm.do("enroll", "request")
    for token, status in ((None, 401), ("x", 403), ("0" * 32 + "-" + "0" * 32, 403)):
        equal(ask("POST", "/chain/1/enrol", request, token).status, status, token)
    token = nation.do("enroll", "token", *place).strip()
    equal(ask("POST", "/chain/1/enrol", "no request", token).status, 403, "a broken request does not cost the token")
    try:
        equal(ask("POST", "/chain/1/enrol", request + "x" * 20000, token).status, 413, "too large")
    except OSError:
        pass  # it hung up while we were still talking
    # another authority than the token's is not shown the token
    stranger = world.node("stranger", "nation")
    status, _, err = firm.run("enroll", "join", "https://127.0.0.1:%d" % stranger.enrol_port, token)
    equal(status, 1, err)
    assert "not the authority" in err, err
    equal(firm.do(*joins, token).strip(), nation.org, "the parent")
    firm.learn_org()
    status, _, err = firm.run(*joins, token)
    equal(status, 1, err)
    assert "used" in err, err
    # an organisation that is known needs a token that names it; one that expired is none
    status, _, err = firm.run(*joins, nation.do("enroll", "token", *place).strip())
    assert status == 1 and "has to name it" in err, err
    status, _, err = firm.run(*joins, nation.do("enroll", "token", *place, "--org", "0" * 32).strip())
    assert status == 1 and "another organisation" in err, err
    token = nation.do("enroll", "token", *place, "--org", firm.org).strip()
    for path in glob.glob(os.path.join(nation.folder, "tokens", "*.json")):
        with open(path) as f:
            grant = json.load(f)
        grant["until"] = int(time.time()) - 1
        with open(path, "w") as f:
            json.dump(grant, f)
    status, _, err = firm.run(*joins, token)
    assert status == 1 and "expired" in err, err
    firm.do(*joins, nation.do("enroll", "token", *place, "--org", firm.org).strip())
    equal(tried(nation.port, by_hand.tls(*paths(firm, nation))), 200, "joined")
    rows = nation.do("enroll", "list").splitlines()
    equal(len([r for r in rows if firm.org in r and "370500" in r and "C26" in r]), 2, rows)


def test_renewal(world):
    """Before the end a new one is asked for over the link; the old one is good until its own end."""
    nation = parent(world)
    firm = firm_of(world, nation, seconds=18)
    old = world.path("old.crt")
    shutil.copy(paths(firm, nation)[1], old)
    time.sleep(13.5)  # less than a third is left: it asks as soon as it runs
    firm.start()
    wait_for(lambda: "certificate renewed" in firm.log(), 15)
    new = paths(firm, nation)[1]
    lives = [by_hand.Child(firm, nation, cert=c) for c in (old, new)]
    for c in lives:
        equal(c.ask("GET", "/chain/1/head").status, 200, "both at a time")
    equal(openssl_expired(new, 19), True, "it is good for as long as the first was")
    wait_for(lambda: openssl_expired(old), 20)
    # a connection that is older than the end ends with it
    try:
        status = lives[0].ask("GET", "/chain/1/head").status
    except (OSError, by_hand.http.client.HTTPException):
        status = None
    equal(status, None, "the old one on its live connection")
    equal(tried(nation.port, by_hand.tls(paths(firm, nation)[0], old, paths(firm, nation)[2])), None, "the old one")


def test_after_the_end(world):
    """A certificate that ended: only the enrolment listener helps, with a token that names the firm."""
    nation = parent(world)
    firm = firm_of(world, nation, seconds=2)
    wait_for(lambda: openssl_expired(paths(firm, nation)[1]), 10)
    firm.start()
    wait_for(lambda: "TLS fatal alert" in firm.log(), 20, "that it is refused is said")
    wait_for(lambda: [a for a in firm.status()["alarms"] if a["code"] == "certificate-ends" and "has ended" in a["text"]],
             what="an alarm at home")
    assert (nation.child_of(firm) or {"beat_ms": 0})["beat_ms"] == 0
    token = nation.do("enroll", "token", "--tier", "enterprise", "--region", "370500", "--org", firm.org).strip()
    firm.do("enroll", "join", "https://127.0.0.1:%d" % nation.enrol_port, token)
    firm.restart()
    wait_for(lambda: (nation.child_of(firm) or {}).get("beat_ms"), what="a beat, with the new certificate")


def test_warnings(world):
    """30, 14, 7 and 1 days before the end both sides hear of it."""
    nation = world.node("nation", "nation", feed=world.redis("nation"))
    for days, step in ((40, 0), (29, 30), (13, 14), (6, 7), (1, 1)):
        firm = firm_of(world, nation, "firm%d" % days, days=days).start()
        wait_for(lambda: [b for org, b in world.servers["nation"].feed("health") if org == firm.org], what="a beat")
        beat = [b for org, b in world.servers["nation"].feed("health") if org == firm.org][-1]
        assert beat["hl"]["cert_d"] in (days - 1, days), beat["hl"]
        told = {a["text"] for a in nation.status()["alarms"] if a["about"] == firm.org and a["code"] == "certificate-ends"}
        equal(told, set() if days == 40 else {"its certificate ends within %d days" % step}, "at the nation")
        own = {a["code"] for a in firm.status()["alarms"]}
        equal("certificate-ends" in own, days != 40, "at home: %r" % own)
    # step by step, once each
    c = by_hand.Child(firm_of(world, nation, "by-hand"), nation)
    heard = []
    for days in (45, 30, 29, 14, 13, 7, 3, 1, 0, -1):
        c.post([c.beat(hl={"cert_d": days})])
        times = sum(a["times"] for a in nation.status()["alarms"] if a["about"] == c.org)
        heard.append(times)
    equal(heard, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5], "warnings so far")
