"""parent.py - a parent written by another hand than the product's: it takes everything and keeps every byte of it."""
import ctypes
import http.server
import json
import os
import re
import ssl
import threading
import time

from child import ZEROS, sha256, zstd

zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong


def unpacked(data):
    size = zstd.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(size)
    n = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    return out.raw[:n]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def note(self, body=b""):
        """Every byte of the request, and its body as it is when inflated."""
        self.server.keep((self.requestline + "\r\n" + str(self.headers)).encode() + body)

    def do_GET(self):
        self.note()
        if self.path == "/chain/1/head":
            ep, sq, pv = self.server.head
            self.reply(200, {"ep": ep, "sq": sq, "pv": pv, "cov": [], "holes": [], "dur": [ep, sq], "up": [ep, sq],
                             "now": int(time.time() * 1000)})
        else:
            time.sleep(1)
            self.reply(204)

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "zstd":
            data = unpacked(data)
        self.note(data)
        self.reply(*self.server.take(data.rstrip(b"\n").split(b"\n")))

    def log_message(self, *args):
        pass


class Parent(http.server.ThreadingHTTPServer):
    """In the place of the node `node` (which has an authority and does not run)."""
    daemon_threads = True

    def __init__(self, node):
        super().__init__(("127.0.0.1", node.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(os.path.join(node.folder, "server.crt"), os.path.join(node.folder, "node.key"))
        context.load_verify_locations(os.path.join(node.folder, "ca.crt"))
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.lock = threading.Lock()
        self.seen, self.lines, self.head = [], [], (0, 0, ZEROS)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a child that is stopped

    def keep(self, data):
        with self.lock:
            self.seen.append(data)

    def take(self, lines):
        """Status and body of the answer to a POST."""
        ok = []
        with self.lock:
            for line in lines:
                f = json.loads(line)
                self.lines.append(line)
                if "sq" in f:
                    self.head = (f["ep"], f["sq"], sha256(line[:line.rindex(b',"sig":')]))
                if f["t"] == "flash":
                    ok.append(f["id"])
            dur = list(self.head[:2])
        return 200, {"dur": dur, "up": dur, "ok": ok, "rej": [], "win": {"frames": 64, "kib": 128, "every_s": 1},
                     "now": int(time.time() * 1000), "ntc": 0}

    def frames(self, *kinds):
        with self.lock:
            all_frames = [json.loads(line) for line in self.lines]
        return [f for f in all_frames if not kinds or f["t"] in kinds]

    def bytes(self):
        with self.lock:
            return b"\n".join(self.seen)

    def found(self, words):
        """Which of these texts stand anywhere in what came, and which numbers as numbers of JSON."""
        data = self.bytes().decode(errors="replace")
        lower = data.lower()

        def there(w):
            if isinstance(w, str):
                return w.lower() in lower
            return re.search(r"(?<=[:,\[])%s(?=[,\]}])" % re.escape(str(w)), data)
        return [w for w in words if there(w)]
