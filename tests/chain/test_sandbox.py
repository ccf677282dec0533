"""The daemon gives up root, privileges, files and system calls at the start, and all of its work goes on without them."""
import os
import pwd
import socket

from kit import Skip, equal, wait_for

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
    node.env = {"NOTIFY_SOCKET": path}
    node.start()
    equal(told.recv(100), b"READY=1", "once it serves")
    node.stop()
    equal(told.recv(100), b"STOPPING=1", "once it stops")


def test_who_cannot_be_become_is_said(world):
    root_and_open(world)
    node = world.node("alone", "nation", start=False, settings={"node.user": "no-such-user"})
    node.start(wait=False)
    equal(node.child.wait(20), 4, "exit status")
    assert "no such user" in node.log(), node.log()
