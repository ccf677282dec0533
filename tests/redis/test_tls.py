"""rediss://: a certificate of our own authority, one of nobody's, one of another name."""
import os
import shutil
import subprocess

from kit import Redis, done, free_port, ok, path, pump, sequence, skip

if shutil.which("openssl") is None:
    skip("TLS", "no openssl to make certificates with")
    done()


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", path(name + ".key"),
            "-out", path(name + ".crt"))


def certificate(name, ca, alt):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", path(name + ".key"), "-out", path(name + ".csr"))
    with open(path(name + ".ext"), "w") as f:
        f.write("subjectAltName=%s\n" % alt)
    openssl("x509", "-req", "-in", path(name + ".csr"), "-CA", path(ca + ".crt"), "-CAkey", path(ca + ".key"), "-CAcreateserial",
            "-days", "2", "-extfile", path(name + ".ext"), "-out", path(name + ".crt"))


authority("ours")
authority("theirs")
certificate("server", "ours", "DNS:localhost,IP:127.0.0.1")
certificate("other", "ours", "DNS:elsewhere.example")
certificate("client", "ours", "DNS:sensor")

servers = {}
for name, auth in (("server", "no"), ("other", "no"), ("client-auth", "yes")):
    pair = "server" if name == "client-auth" else name
    port = free_port()
    servers[name] = port, Redis(name, "--tls-port", str(port), "--tls-cert-file", path(pair + ".crt"), "--tls-key-file",
                                path(pair + ".key"), "--tls-ca-cert-file", path("ours.crt"), "--tls-auth-clients", auth)


def send(name, host="127.0.0.1", n=3000, **options):
    port, redis = servers[name]
    more = "".join("&%s=%s" % (k.replace("_", "-"), v) for k, v in options.items())
    status, out, err = pump("-n", n, "-w", 3, "rediss://%s:%d?key=k%s" % (host, port, more))
    return status, err, redis.ids("k")


status, err, got = send("server", n=30000, ca_file=path("ours.crt"))
ok(status == 0 and got == sequence(0, 30000), "our authority, by address: everything arrives", err)
servers["server"][1].ask("DEL", "k")
status, err, got = send("server", host="localhost", ca_file=path("ours.crt"))
ok(status == 0 and got == sequence(0, 3000), "our authority, by name", err)
servers["server"][1].ask("DEL", "k")
status, err, got = send("server", ca_file=path("theirs.crt"))
ok(status == 1 and not got and "certificate of 127.0.0.1" in err, "another authority: refused, and why", err)
status, err, got = send("server")
ok(status == 1 and not got and "certificate of 127.0.0.1" in err, "not one of the system's authorities: refused", err)
status, err, got = send("other", ca_file=path("ours.crt"))
ok(status == 1 and not got and "certificate of 127.0.0.1" in err, "a certificate of another name: refused", err)
status, err, got = send("server", ca_file=path("missing.crt"))
ok(status == 1 and "missing.crt" in err, "a missing authority: said", err)
status, err, got = send("client-auth", ca_file=path("ours.crt"))
ok(status == 1 and not got, "a server that wants our certificate: refused without", err)
status, err, got = send("client-auth", ca_file=path("ours.crt"), cert_file=path("client.crt"), key_file=path("client.key"))
ok(status == 0 and got == sequence(0, 3000), "and served with it", err)

# No TLS on that port.
plain = Redis("plain", port=free_port())
status, out, err = pump("-n", 1, "-w", 2, "rediss://127.0.0.1:%d?ca-file=%s" % (plain.port, path("ours.crt")))
ok(status == 1 and plain.length("bongsu:alerts:{pump}") == 0, "no TLS there: nothing is sent in the clear", err)

# Restarted under way.
port, redis = servers["server"]
redis.ask("DEL", "k")
from kit import PUMP, spawn, wait_for  # noqa: E402
child = spawn([PUMP, "-n", "20000", "-r", "10000", "-w", "20", "rediss://127.0.0.1:%d?key=k&ca-file=%s" % (port, path("ours.crt"))],
              stderr=subprocess.PIPE, text=True)
wait_for(lambda: redis.length("k") > 5000)
redis.kill()
redis.start()
ok(child.wait(60) == 0 and redis.ids("k") == sequence(0, 20000), "killed and started again: exactly once", child.stderr.read())
done()
