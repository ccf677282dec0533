"""The daemon gives up root, privileges, files and system calls at the start, and all of its work goes on without them."""
import os
import pwd
import shutil
import signal
import socket
import subprocess

from kit import AGGREGATOR, BUILD, ROOT, SENSOR, Skip, equal, wait_for

USER = "nobody"


def facts(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def unprivileged(node):
    uid = str(pwd.getpwnam(USER).pw_uid)
    for task in os.listdir("/proc/%d/task" % node.child.pid):
        f = facts(int(task))
        equal(set(f["Uid"].split()), {uid}, "user of a thread of " + node.name)
        equal(f["Groups"].strip(), "", "its groups")
        equal([f[c].strip("0") for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [""] * 5, "its capabilities")
        equal((f["NoNewPrivs"], f["Seccomp"]), ("1", "2"), "no_new_privs and the filter")


def root_and_open(world):
    if os.geteuid() != 0:
        raise Skip("not root: there is nothing to give up")
    os.chmod(world.folder, 0o755)  # nodes of another user live in it


def test_everything_works_without_powers(world):
    root_and_open(world)
    how = {"node.user": USER}
    feeds, bus = world.redis("feeds", "--unixsocketperm", "777"), world.redis("bus", "--unixsocketperm", "777")
    nation = world.node("nation", "nation", feed=feeds, settings=dict(how, **{"api.listen": "127.0.0.1:0"}))
    province = world.node("province", "province", region="370000", settings=how, start=False)
    province.add_parent(nation, token=True)  # the enrolment listener signs, as the user that it is
    province.do("enroll", "authority", "--tier", "province", "--region", "370000", "--host", "127.0.0.1,localhost")
    province.start()
    firm = world.node("firm", "enterprise", region="370500", sector="C26", redis=bus, settings=how, start=False)
    # by a name, which the resolver finds within the sandbox
    firm.add_parent(province, token=True)
    firm.parents[0][1]["url"] = "https://localhost:%d" % province.port
    firm.configure()
    firm.start()
    for node in (nation, province, firm):
        unprivileged(node)
    sensor = firm.sensor()
    sensor.emit(50, alert={"severity": 1})
    world.balanced(nation, 50)
    wait_for(lambda: feeds.feed("flash"), what="a flash in the feed")
    # root's own commands leave nothing behind that the daemon cannot read: a revocation is heard after HUP
    firm.do("verify")
    firm.do("left", "--since", "1h", "--dry-run")
    case = province.do("notice", "issue", "--to", firm.org, "--text", "Look at it", "--deadline", "1h").strip()
    wait_for(lambda: firm.run("notice", "sign", case)[0] == 0, what="the notice at the firm")
    sensor.emit(10)
    world.balanced(nation, 60)
    province.do("enroll", "revoke", firm.org)
    province.hup()
    wait_for(lambda: "revoked" in province.log(), what="the revocation")
    # what it owns it opens again
    for node in (firm, nation):
        node.restart()
        unprivileged(node)
    owners = {os.stat(os.path.join(top, name)).st_uid for top, _, names in os.walk(nation.folder) for name in names}
    equal(owners, {pwd.getpwnam(USER).pw_uid}, "whose the files are")


def test_ready_is_told(world):

    path = world.path("notify")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(path)
    told.settimeout(20)
    node = world.node("alone", "nation", start=False)
    node.make_authority()
    node.env = {"NOTIFY_SOCKET": path}
    node.start()
    equal(told.recv(100), b"READY=1", "once it serves")
    node.stop()
    equal(told.recv(100), b"STOPPING=1", "once it stops")


def test_who_cannot_be_become_is_said(world):
    root_and_open(world)
    node = world.node("alone", "nation", start=False, settings={"node.user": "no-such-user"})
    node.make_authority()
    node.start(wait=False)
    equal(node.child.wait(20), 4, "exit status")
    assert "no such user" in node.log(), node.log()


def group(name):
    """System calls of one of systemd's groups."""
    lines = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    words = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return {call for w in words for call in (group(w) if w.startswith("@") else {w})}


def allowed_by(unit):
    """What the unit lets its program call: groups and names, in order, "~" takes away."""
    calls = group("@default") | {"execve"}
    with open(os.path.join(ROOT, "packaging", unit)) as f:
        for line in f:
            if line.startswith("SystemCallFilter="):
                words = line.strip().split("=", 1)[1]
                for w in words.lstrip("~").split():
                    some = group(w) if w.startswith("@") else {w}
                    calls = calls - some if words.startswith("~") else calls | some
    return sorted(calls)


def test_units_allow_what_their_programs_call(world):
    """Under the very filter, but one that kills; the aggregator as a user without powers."""
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    # copies, for the build may lie where another user does not get
    filtered, aggregator = (shutil.copy(path, world.folder) for path in (os.path.join(BUILD, "chain", "filtered"), AGGREGATOR))
    bus, feeds = world.redis("bus", "--unixsocketperm", "777"), world.redis("feeds", "--unixsocketperm", "777")
    node = world.node("alone", "nation", start=False, redis=bus, feed=feeds)
    node.make_authority()
    other = {}
    if os.geteuid() == 0:
        root_and_open(world)
        who = pwd.getpwnam(USER)
        other = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        for top, _, names in os.walk(node.folder):
            for path in (top, *(os.path.join(top, n) for n in names)):
                os.chown(path, who.pw_uid, who.pw_gid)
    sensor = node.sensor()
    sensor.emit(5)
    node.spawn([filtered, *allowed_by("bongsu-aggregator.service"), "--", aggregator, "-c", node.config, "run"], cwd="/", **other)
    wait_for(lambda: "is up" in node.log() or not node.alive(), what="it is up under its unit's filter")
    wait_for(lambda: "alerts from" in node.log() or not node.alive(), what="it reads alerts")
    assert "no new privileges" in node.log() and "only the system calls" in node.log(), node.log()
    node.hup()
    equal(node.end(), 0, "exit status of the aggregator: " + node.log())
    eve = world.path("eve.json")
    node.spawn([filtered, *allowed_by("bongsu-sensor.service"), "--", SENSOR, "-i", "lo", "-S", os.path.join(ROOT, "rules"), "-o", "file:" + eve,
                "--set", "spool.folder=" + world.folder, "--set", "canary.interval=1"], cwd=ROOT)
    wait_for(lambda: not node.alive() or (os.path.exists(eve) and os.path.getsize(eve)), what="the sensor writes under its unit's filter")
    if not node.alive() and node.child.returncode == 4:
        raise Skip("no live capture here: " + node.log().strip().split("\n")[-1])
    equal(node.end(signal.SIGTERM), 0, "exit status of the sensor: " + node.log())
