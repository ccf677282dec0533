"""The HTTP API as openapi.yaml describes it: routes, roles, answers member by member, streams, and who is told of readers."""
import http.client
import json
import os
import re
import socket
import sqlite3
import ssl
import time

import jsonschema
import yaml

from kit import ROOT, equal, free_port, wait_for

with open(os.path.join(ROOT, "aggregator", "openapi.yaml"), encoding="utf-8") as f:
    API = yaml.safe_load(f)
ROLES = ("viewer", "analyst", "auditor", "owner")
LISTS = ("cov", "lost", "verdicts")  # of their own making: rows, and maps by words


class Api:
    """Asks a node; every answer is held against the description."""

    def __init__(self, world, node):
        self.world, self.node, self.tokens = world, node, {}
        self.host, port = node.settings["api.listen"].rsplit(":", 1)
        self.port = int(port)
        self.fields = {}
        for line in node.do("--fields").splitlines():
            m = re.match(r"\| `([^`]+)` \| ([^|]+) \|", line)
            if m:
                for t in m.group(2).strip().split(", "):
                    self.fields.setdefault(t, set()).add(m.group(1))

    def token(self, role, name=None, org=None, *more):
        name = name or role
        args = ["--role", role, "--name", name] + (["--org", org] if org else []) + list(more)
        self.tokens[name] = self.node.do("token", *args).strip()
        return self.tokens[name]

    def known(self, name, path="/api/1/node"):
        """Tokens are read within chain.reload."""
        wait_for(lambda: self.ask(path, name)[0] != 401, what="the token of " + name)

    def ask(self, path, who=None, method="GET", token=None, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        token = token or self.tokens.get(who)
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, body=body, headers=headers)
        r = connection.getresponse()
        text = r.read()
        connection.close()
        return r.status, r.headers, text

    def get(self, path, who):
        """The JSON of a good answer, which has every member that is described and no other."""
        status, headers, text = self.ask(path, who)
        equal((status, headers["Content-Type"]), (200, "application/json"), path + ": " + text.decode()[:200])
        answer = json.loads(text)
        self.validate(path, answer, "200")
        return answer

    def validate(self, path, answer, status):
        route = re.sub(r"^(/api/1/notices)/.+", r"\1/{case}", path.split("?")[0])
        responses = API["paths"][route]["get"]["responses"]
        where = responses[status] if status in responses else API["components"]["responses"]["Error"]
        schema = {**where["content"]["application/json"]["schema"], "components": API["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        for frame in answer.get("digests", []) + answer.get("flashes", []) + [answer[k] for k in ("object",) if k in answer]:
            self.frame(frame)

    def frame(self, frame):
        allowed = self.fields[frame["t"]] | self.fields["all"] | {"received_ms", "verified"}

        def look(value, at):
            if isinstance(value, dict) and at.rsplit(".", 1)[-1] not in LISTS:
                for name, v in value.items():
                    here = at + "." + name if at else name
                    if here not in allowed:
                        raise AssertionError("%s is no member of a %s" % (here, frame["t"]))
                    look(v, here)
            elif isinstance(value, list) and at.rsplit(".", 1)[-1] not in LISTS:
                for v in value:
                    look(v, at + "[]")
        look(frame, "")

    def stream(self, who, query="", last=None):
        """An open connection to the events, past its head."""
        s = socket.create_connection((self.host, self.port), timeout=20)
        s.sendall(("GET /api/1/events%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n" % (
            query, self.tokens[who], "Last-Event-ID: %s\r\n" % last if last else "")).encode())
        f = s.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += f.read(1)
        equal(head.split()[1], b"200", head.decode())
        if b"text/event-stream" not in head:
            raise AssertionError(head)
        return s, f


def events(stream, count, seconds=20):
    """So many events: (id, event, data)."""
    s, f = stream
    s.settimeout(seconds)
    out, event, text = [], {}, b""
    while len(out) < count:
        size = int(f.readline().strip() or b"0", 16)
        if size == 0:
            break
        text += f.read(size)
        f.readline()
        while b"\n" in text and len(out) < count:
            line, text = text.split(b"\n", 1)
            if line == b"" and "data" in event:
                out.append((event.get("id"), event["event"], json.loads(event["data"])))
            if line == b"":
                event = {}
            elif not line.startswith(b":"):
                name, value = line.decode().split(": ", 1)
                event[name] = value
    return out


def chain(world, **settings):
    """A province with the API, one firm of which something is known, and a token for each role."""
    nation = world.node("nation", "nation", feed=world.redis("feeds"))
    tokens = world.path("tokens")
    province = world.node("province", "province", [nation], region="370000", feed=world.servers["feeds"], settings={
        "api.listen": "127.0.0.1:%d" % free_port(), "api.tokens": tokens, "chain.reload": 1, **settings})
    firm = world.enterprise("firm", [province])
    api = Api(world, province)
    for role in ROLES[:3]:
        api.token(role)
    api.token("owner", org=firm.org)
    api.known("owner")
    return nation, province, firm, api


def test_answers_and_roles(world):
    nation, province, firm, api = chain(world)
    source = open(os.path.join(ROOT, "aggregator", "api.c"), encoding="utf-8").read()
    routes = re.findall(r'\{ "(/[^"]+)", ([A-Z| ]+), \w+ \}', source)
    described = {p.replace("{case}", ""): v["get"] for p, v in API["paths"].items()}
    equal(sorted([p for p, _ in routes] + ["/healthz", "/readyz"]), sorted(described), "routes of the program and the description")

    s = firm.sensor("plant")
    s.emit(20)
    s.emit(1, alert={"severity": 1}, bongsu={"verb": "stop"})
    world.balanced(province, 21)
    case = province.do("notice", "issue", "--to", firm.org, "--text", "look", "--deadline", "1d").strip()
    wait_for(lambda: "delivered" in province.do("notice", "show", case), what="delivered")
    for path, get in described.items():
        path += case if path.endswith("/") else ""
        for role in ROLES:
            allowed = "x-roles" not in get or role in get["x-roles"]
            if path == "/api/1/events":
                continue
            status, headers, text = api.ask(path, role)
            equal(status, 200 if allowed else 403, "%s as %s: %s" % (path, role, text[:100]))
            equal(headers["Cache-Control"], "no-store")
            equal([h for h in headers if h.lower().startswith("access-control")], [], "no CORS")
            if headers["Content-Type"] == "application/json":
                api.validate(path, json.loads(text), str(status))
            head = api.ask(path, role, "HEAD")
            equal((head[0], head[2]), (status, b""), "HEAD " + path)
        if "x-roles" in get:
            for token in (None, "x", "0" * 48, api.tokens["viewer"][:-1]):
                status, headers, text = api.ask(path, token=token)
                equal((status, headers["WWW-Authenticate"]), (401, "Bearer"), path)
                api.validate(path, json.loads(text), "401")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, _ = api.ask("/api/1/node", "viewer", method, body="{}" if method != "OPTIONS" else None)
        equal((status, headers["Allow"]), (405, "GET, HEAD"), method)
    # what was asked is what was answered
    equal([d["org"] for d in api.get("/api/1/digests?limit=1", "analyst")["digests"]], [firm.org])
    after = api.get("/api/1/digests?limit=2", "analyst")["last"]
    equal(api.get("/api/1/digests?after=%d&limit=1" % (after - 1), "analyst")["last"], after)
    equal(len(api.get("/api/1/flashes", "analyst")["flashes"]), 1)
    equal(api.get("/api/1/flashes?org=" + nation.org, "analyst")["flashes"], [])
    equal(api.get("/api/1/balance", "owner")["own"]["events"], 21)
    for query in ("digests?org=abc", "digests?limit=1001", "digests?limit=-1", "digests?after=x", "flashes?since=", "events?kind=flush",
                  "events?kind="):
        status, _, text = api.ask("/api/1/" + query, "analyst")
        equal(status, 400, query)
        api.validate("/api/1/" + query.split("?")[0], json.loads(text), "400")
    for query in ("rollups?res=1", "rollups?start=x", "rollups?res=0"):
        equal(api.ask("/api/1/" + query, "viewer")[0], 400, query)
    equal(api.ask("/api/1/digests?org=" + nation.org, "owner")[0], 400, "an owner asks for another's")
    for path in ("/", "/api/1/nodes", "/api/1/node/", "/api/1/notices/", "/api/2/node", "/api/1/notices/none", "/api/1/../node"):
        equal(api.ask(path, "viewer")[0], 404, path)
    equal(api.ask("/api/1/node", "viewer", body="x" * 70000)[0], 413)
    status = api.ask("/api/1/node?x=" + "y" * 200000, "viewer")[0]
    if status not in (414, 431):
        raise AssertionError("an endless path: %d" % status)
    # metrics: every line is one, with labels of few values
    text = api.ask("/metrics", "viewer")[2].decode()
    names = set(re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", text, re.M))
    for line in text.splitlines():
        m = re.match(r'^(\w+)(?:\{(state|kind|parent)="([a-z]+|[0-9a-f]{32})"\})? -?[0-9]+$', line)
        if not line.startswith("#") and (m is None or m.group(1) not in names):
            raise AssertionError("no metric: " + line)
    equal(api.ask("/healthz")[0], 200, "without a token")

    # everything above was written down, where the firm sees it, and nobody else's
    mine = api.get("/api/1/access", "owner")["access"]
    equal({a["org"] for a in mine}, {firm.org})
    seen = {(a["who"], a["what"]) for a in mine}
    for who, what in (("analyst", "digests"), ("analyst", "flashes"), ("viewer", "children"), ("auditor", "children"), ("viewer", "notices")):
        if (who, what) not in seen:
            raise AssertionError("%s read %s, and the owner cannot see it: %r" % (who, what, seen))
    equal([a for a in mine if a["who"] == "owner"], [], "one's own reading is no news")
    once = [a for a in mine if (a["who"], a["what"]) == ("viewer", "children")]
    equal(len(once), 1, "one row an hour")
    api.get("/api/1/children", "viewer")
    again = [a for a in api.get("/api/1/access", "owner")["access"] if (a["who"], a["what"]) == ("viewer", "children")]
    equal((len(again), again[0]["times"]), (1, once[0]["times"] + 1))
    if not {a["org"] for a in api.get("/api/1/access", "auditor")["access"]} >= {firm.org}:
        raise AssertionError("an auditor sees all")


def test_tokens(world):
    nation, province, firm, api = chain(world)
    path = world.path("tokens")
    equal(os.stat(path).st_mode & 0o777, 0o600, "of the file of tokens")
    if any(t in open(path).read() for t in api.tokens.values()):
        raise AssertionError("a token lies in the file")
    for args in (["--role", "king", "--name", "x"], ["--role", "owner", "--name", "x"], ["--role", "viewer", "--name", "a b"],
                 ["--role", "viewer", "--name", "x", "--org", firm.org], ["--role", "owner", "--name", "x", "--org", "abc"],
                 ["--role", "viewer"], ["--role", "viewer", "--name", "x", "--expires", "1000000000"]):
        status, out, err = province.run("token", *args)
        if status not in (1, 2) or out or not err:
            raise AssertionError("token %r: %d %r %r" % (args, status, out, err))
    ends = int(time.time()) + 6
    api.token("viewer", "brief", None, "--expires", str(ends))
    api.known("brief")
    stream = api.stream("brief")
    wait_for(lambda: api.ask("/api/1/node", "brief")[0] == 401, what="a token that has run out")
    heard = events(stream, 1000)  # until its end
    if len(heard) >= 1000 or time.time() > ends + 15:
        raise AssertionError("a stream ends with its token")
    # others may not write the file, nor strangers read it: what was known stays, and it is said
    os.chmod(path, 0o644)
    wait_for(lambda: "others may read or write it" in province.log(), what="said")
    equal(api.ask("/api/1/node", "viewer")[0], 200, "those that were known")
    os.chmod(path, 0o600)
    # one is taken away: the line goes
    lines = open(path).read().splitlines()
    with open(path, "w") as f:
        f.write("\n".join(li for li in lines if " viewer viewer " not in li) + "\n")
    wait_for(lambda: api.ask("/api/1/node", "viewer")[0] == 401, what="a token that was taken away")
    equal(api.ask("/api/1/node", "analyst")[0], 200)
    with open(path, "a") as f:
        f.write("what is this\n")
    wait_for(lambda: "expected SHA256 ROLE NAME" in province.log(), what="a bad line is said")
    equal(api.ask("/api/1/node", "analyst")[0], 200, "and changes nothing")


def test_streams(world):
    nation, province, firm, api = chain(world)
    analyst, viewer, owner = api.stream("analyst", "?kind=digest,flash"), api.stream("viewer"), api.stream("owner", "?kind=flash")
    s = firm.sensor("plant")
    s.emit(3)
    s.emit(1, alert={"severity": 1})
    got = events(analyst, 3)
    equal({e for _, e, _ in got} <= {"digest", "flash"}, True, "kinds")
    for _, kind, frame in got:
        equal(frame["t"], kind)
        api.frame(frame)
    flash = events(owner, 1)
    equal(flash[0][2]["org"], firm.org)
    kinds = {e for _, e, _ in events(viewer, 6)}
    if kinds & {"digest", "flash"} or "health" not in kinds:
        raise AssertionError("a viewer heard of %r" % kinds)
    # goes on where it was
    world.balanced(province, 4)
    more = api.stream("analyst", "?kind=digest,flash", last=got[0][0])
    equal(events(more, 2), got[1:3], "behind the last event")
    # a run that is over is said
    other = api.stream("analyst", last="17-4")
    equal(events(other, 1)[0][1:], ("missed", {"events": -1}))
    last = got[2][0]
    province.restart()
    equal(events(api.stream("analyst", last=last), 1)[0][1:], ("missed", {"events": -1}), "after a restart")
    # listening is reading: the owner sees it
    mine = api.get("/api/1/access", "owner")["access"]
    if ("analyst", "events") not in {(a["who"], a["what"]) for a in mine}:
        raise AssertionError("listening is not written down: %r" % mine)
    for stream in (analyst, viewer, owner, more, other):
        stream[0].close()


def test_many_and_slow(world):
    """Who is slow, or comes a thousand times, keeps nobody else and costs no more than was set aside."""
    nation, province, firm, api = chain(world)
    slow = []
    for i in range(60):
        s = socket.create_connection((api.host, api.port), timeout=20)
        s.sendall(b"GET /api/1/node HTTP/1.1\r\nHost")
        slow.append(s)
    deaf = [api.stream("analyst") for _ in range(20)]
    firm.sensor("plant").emit(200, alert={"severity": 1})
    started = time.monotonic()
    api.get("/api/1/node", "viewer")
    if time.monotonic() - started > 5:
        raise AssertionError("others wait for the slow")
    extra, refused = [], 0
    for i in range(300):
        s = socket.create_connection((api.host, api.port), timeout=2)
        try:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            refused += s.recv(100) == b""
        except OSError:
            refused += 1
        extra.append(s)
    if refused < 300 + 80 - 256:
        raise AssertionError("only %d of 380 connections of one address were refused" % refused)
    for s in slow + extra + [d[0] for d in deaf]:
        s.close()
    wait_for(lambda: answered(api), what="answers again")
    world.balanced(province, 200)


def answered(api):
    try:
        return api.ask("/healthz")[0] == 200
    except OSError:
        return False


def test_tls_and_ready(world):
    nation, province, firm, api = chain(world)
    equal(api.ask("/readyz")[0], 200)
    # somebody holds the store
    db = sqlite3.connect(os.path.join(province.folder, "chain.db"), timeout=20, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    wait_for(lambda: api.ask("/readyz")[0] == 503, seconds=60, what="not ready: nothing can be written")
    equal(api.ask("/healthz")[0], 200, "but alive")
    db.execute("ROLLBACK")
    db.close()
    wait_for(lambda: api.ask("/readyz")[0] == 200, what="ready again")
    # beyond loopback there is TLS alone
    port = free_port()
    province.configure(api_listen="0.0.0.0:%d" % port)
    province.restart()
    context = ssl.create_default_context(cafile=os.path.join(province.folder, "ca.crt"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    connection.request("GET", "/api/1/node", headers={"Authorization": "Bearer " + api.tokens["viewer"]})
    equal(connection.getresponse().status, 200, "over TLS")
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        plain.request("GET", "/healthz")
        raise AssertionError("in the clear: %d" % plain.getresponse().status)
    except (OSError, http.client.HTTPException):
        pass
