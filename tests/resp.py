"""resp.py - Redis's protocol over a socket: what tests need, by another hand than the product."""
import socket


class Error(Exception):
    pass


def packed(words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Client:
    """To a Unix socket (a path) or (host, port)."""

    def __init__(self, place, timeout=20):
        self.socket = socket.socket(socket.AF_INET if isinstance(place, tuple) else socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(place)
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        self.socket.sendall(packed(words))
        return self.read()

    def many(self, commands):
        """All at once; the replies in order, errors among them as Error objects."""
        self.socket.sendall(b"".join(packed(words) for words in commands))
        return [self.read_or_error() for _ in commands]

    def read_or_error(self):
        try:
            return self.read()
        except Error as e:
            return e

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Error("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode(errors="replace")
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()
