"""child.py - a child written by another hand than the product's: it signs what it likes and sends it over mutual TLS.

Ed25519 and zstd are those of libsodium and libzstd, which the product is linked with, too.
"""
import base64
import ctypes
import gzip
import hashlib
import http.client
import json
import os
import ssl
import time

sodium = ctypes.CDLL("libsodium.so.23")
zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_compressBound.restype = zstd.ZSTD_compress.restype = ctypes.c_size_t
ZEROS = "0" * 64


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zstd_packed(data):
    room = zstd.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(room)
    n = zstd.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:n]


PACK = {"zstd": zstd_packed, "gzip": gzip.compress, None: bytes}


def zstd_bomb(gib):
    """A frame of blocks that each say: 128 KiB of the same byte, in four bytes."""
    blocks = gib * 8192
    one = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b" "
    last = ((128 * 1024) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b" "
    return b"\x28\xb5\x2f\xfd" + b"\x00\x58" + one * (blocks - 1) + last  # no content size; a window of 2 MiB


class Key:
    """An Ed25519 key from a PEM file (PKCS #8), or a new one."""

    def __init__(self, path=None):
        seed = os.urandom(32)
        if path:
            with open(path) as f:
                seed = base64.b64decode("".join(line for line in f.read().split("\n") if "-" not in line))[-32:]
        self.public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(self.public, self.secret, seed)
        self.kid = sha256(self.public.raw[:32])[:16]

    def sign(self, data):
        out = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(out, None, data, ctypes.c_ulonglong(len(data)), self.secret)
        return base64.b64encode(out.raw[:64]).decode()


def verify(public, line):
    """Whether a frame's line is signed by the 32 bytes of a public key."""
    at = line.rindex(b',"sig":')
    sig = base64.b64decode(json.loads(line)["sig"])
    return sodium.crypto_sign_verify_detached(sig, line[:at], ctypes.c_ulonglong(at), public) == 0


def tls(ca, cert=None, key=None, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:300])


class Child:
    """Of the node `node` (enrolled, not running) at `parent`."""

    def __init__(self, node, parent, cert=None, key=None):
        self.org, self.to, self.port, self.tier = node.org, parent.org, parent.port, node.tier
        self.region, self.sector = node.region, node.sector
        folder = os.path.join(node.folder, "parents", parent.org)
        key = key or os.path.join(node.folder, "node.key")
        self.key = Key(key)
        self.context = tls(os.path.join(folder, "ca.pem"), cert or os.path.join(folder, "cert.pem"), key)
        self.ep, self.sq, self.pv, self.n = 1, 0, ZEROS, 0
        self.http = None

    # --- HTTP ----------------------------------------------------------------------------

    def connect(self):
        if self.http is None:
            self.http = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=30)
            self.http.connect()
        return self.http

    def close(self):
        if self.http is not None:
            self.http.close()
        self.http = None

    def ask(self, method, path, body=None, headers=None):
        try:
            self.connect().request(method, path, body, headers or {})
            answer = Answer(self.http.getresponse())
        except Exception:
            self.close()
            raise
        if answer.headers.get("Connection", "").lower() == "close":
            self.close()
        return answer

    def post(self, lines, encoding="zstd", where=True, **headers):
        """Frames (bytes, without newline). where: Chain-Range by the sequenced frames among them; or a text; or None."""
        body = b"".join(line + b"\n" for line in lines)
        return self.post_body(PACK[encoding](body), encoding, self.range(lines) if where is True else where, **headers)

    def post_body(self, body, encoding=None, where=None, **headers):
        all_headers = {"Content-Digest": "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode()}
        if encoding:
            all_headers["Content-Encoding"] = encoding
        if where:
            all_headers["Chain-Range"] = where
        all_headers.update({k.replace("_", "-"): v for k, v in headers.items()})
        return self.ask("POST", "/chain/1/up", body, {k: v for k, v in all_headers.items() if v is not None})

    @staticmethod
    def range(lines):
        places = []
        for line in lines:
            try:
                f = json.loads(line)
                if "sq" in f:
                    places.append((f["ep"], f["sq"]))
            except (ValueError, TypeError, RecursionError):
                pass
        return "%d/%d-%d" % (places[0][0], places[0][1], places[-1][1]) if places else None

    # --- frames --------------------------------------------------------------------------

    def line(self, kind, body, sequenced, **over):
        """A signed line; `over` replaces members of its head, or adds some."""
        head = {"v": 1, "alg": "ed25519", "kid": self.key.kid, "t": kind, "org": self.org, "to": self.to}
        if sequenced:
            head.update(link="count", ep=self.ep, sq=self.sq + 1, pv=self.pv)
        head.update(body)
        head.update(over)
        signed = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()[:-1]
        return signed + b',"sig":"' + self.key.sign(signed).encode() + b'"}'

    def next(self, line):
        """The chain goes on from this line."""
        f = json.loads(line)
        self.ep, self.sq, self.pv = f["ep"], f["sq"], sha256(line[:line.rindex(b',"sig":')])
        return line

    def place(self):
        return {"tier": self.tier, "reg": self.region, "ind": self.sector, "lvl": 1}

    def item(self, alerts=1, **over):
        item = {"k": "0" * 32, "sk": "1" * 32, "rule": "local", "rev": 1, "cat": "ics-command", "tech": "T0886", "sev": 4, "conf": 95,
                "verb": "read", "first": int(time.time()), "last": int(time.time()), "verdicts": {"accepted": alerts},
                "n": "1" if alerts == 1 else "2", "src": "1", "dst": "1", "roles": ["other>other"], "zones": ["?>?"], "chg": False, "ev": 0}
        item.update(over)
        return item

    def digest_body(self, events=1, **over):
        """Of the next so many events of one sensor, all of them alerts of one kind."""
        now, first = int(time.time()), self.n + 1
        body = self.place()
        body.update({"w": {"start": now - 1, "end": now, "mono_ms": 1000, "skew_ms": 0, "late": 0, "coarse_s": 300},
                     "ver": {"sw": "1.0.0", "rules": "none", "attck": "ics/19"}, "cov": [[7, 1, first, first + events - 1]],
                     "in": {"pkts": 0, "drops": 0, "events": events, "other": 0, "alerts": events, "items": events, "suppressed": 0,
                            "sampled": 0, "withheld": 0, "lost": {}},
                     "items": [self.item(events)], "hl": {"sensors": [1, 0]}})
        body.update(over)
        return body

    def digest(self, events=1, chain=True, **over):
        """The next digest; chain=False: what follows does not go on from it."""
        line = self.line("digest", self.digest_body(events), True, **over)
        if chain:
            self.n += events
            self.next(line)
        return line

    def beat(self, **over):
        body = {**self.place(), "ver": {"sw": "1.0.0", "rules": "none", "attck": "ics/19"}, "hl": {"high": False},
                "at": int(time.time() * 1000)}
        return self.line("beat", body, False, **over)

    def flash(self, n=1, **over):
        ident = sha256(("%s|7|1|%d" % (self.org, n)).encode())
        item = {k: v for k, v in self.item(sev=1).items()
                if k in "k sk rule rev cat tech sev conf verb roles zones chg".split()}
        body = {**self.place(), "id": ident, "cov": [7, 1, n], **item, "verdict": "accepted", "at": int(time.time()),
                "known_at": int(time.time())}
        return self.line("flash", body, False, **over)

    def tomb(self, line, code, **over):
        """Stands for a frame that was refused."""
        f = json.loads(line)
        body = {"of": [f["ep"], f["sq"], f["sq"]], "hash": sha256(line[:line.rindex(b',"sig":')]), "code": code,
                "w": {k: f["w"][k] for k in ("start", "end", "coarse_s")},
                "in": {k: v for k, v in f["in"].items() if k not in ("pkts", "drops")}, "cov": f["cov"]}
        body.update(over)
        return self.line("tomb", body, False)
