"""Warnings and notices: who may say what, states and timers, two upstreams, contradictions; at the command line as people do."""
import json
import os
import shutil
import time

from kit import equal, wait_for


def show(node, case):
    return json.loads(node.do("notice", "show", case, "--json"))


def standing(node, case, firm):
    """Where a firm stands, as a node sees it: state, and what is marked."""
    status, out, _ = node.run("notice", "show", case, "--json")
    for s in json.loads(out)["standings"] if status == 0 else []:
        if s["firm"] == firm.org:
            return s
    return None


def state(node, case, firm):
    s = standing(node, case, firm)
    return s and s.get("ended", s["state"])


def reaches(node, case, firm, wanted, seconds=None):
    wait_for(lambda: state(node, case, firm) == wanted, seconds, "%s at %s: %s" % (wanted, node.name, state(node, case, firm)))


def refused(node, why, *args):
    status, out, err = node.run("notice", *args)
    if status not in (1, 2) or why not in err or out:
        raise AssertionError("notice %s: %d %r %r, wanted %r" % (" ".join(args), status, out, err, why))


def chain(world, firms=1, **settings):
    """Nation, province and firms that know the national key, which lies in no node's folder."""
    nation = world.node("nation", "nation", settings=settings)
    key = world.path("national.key")
    public = nation.do("notice", "keygen", key).strip()
    keys = {"notice.national_keys": [public], **settings}
    nation.configure(notice_national_keys=[public])
    province = world.node("province", "province", [nation], region="370000", settings=keys)
    places = [{}, {"region": "370600", "sector": "D44"}]
    all_firms = [world.enterprise("firm-%d" % i, [province], settings=keys, **places[i]) for i in range(firms)]
    for firm in all_firms:
        wait_for(lambda: province.child_of(firm), what="a child")
    return nation, province, key, all_firms


def test_authority(world):
    nation, province, key, (firm, other) = chain(world, firms=2)
    refused(province, "only a key of notice.national_keys", "issue", "--warning", "red", "--text", "x")
    refused(nation, "only a key of notice.national_keys", "issue", "--warning", "orange", "--text", "x")
    # a province that says it all the same is believed by nobody
    province.configure(notice_national_keys=[])
    forger = world.path("forger.key")
    province.configure(notice_national_keys=[province.do("notice", "keygen", forger).strip()])
    forged = province.do("notice", "issue", "--warning", "red", "--text", "not the nation's", "--key", forger).strip()
    wait_for(lambda: "down-refused" in firm.alarms(), what="said at the firm")
    equal(firm.run("notice", "show", forged)[0], 1, "not taken")
    # the nation's own, through the province, to everybody
    red = nation.do("notice", "issue", "--warning", "red", "--text", "PLC worm", "--action", "isolate", "--product", "S7-1500",
                    "--key", key).strip()
    for f in (firm, other):
        reaches(f, red, f, "delivered")
        reaches(nation, red, f, "delivered")
    # the province's, for some: by region and industry, marked as a drill
    drill = province.do("notice", "issue", "--warning", "yellow", "--text", "drill", "--exercise", "--region", "3705",
                        "--sector", "C26").strip()
    reaches(firm, drill, firm, "delivered")
    after = province.do("notice", "issue", "--warning", "blue", "--text", "for all").strip()
    reaches(other, after, other, "delivered")
    equal(other.run("notice", "show", drill)[0], 1, "not for this region and industry")
    text = firm.do("notice", "show", drill)
    if not text.startswith("EXERCISE yellow warning " + drill):
        raise AssertionError(text)
    equal([c["status"] for c in json.loads(firm.do("notice", "list", "--json")) if c["case"] == drill], ["exercise"])
    if not any("EXERCISE yellow" in li for li in firm.do("notice", "list").splitlines()):
        raise AssertionError(firm.do("notice", "list"))
    # the province can lift its own, not the nation's
    refused(province, "only its issuer", "cancel", red, "--firm", firm.org)
    equal(province.do("notice", "cancel", after, "--all"), "%s: cancelled at 2\n" % after)
    reaches(other, after, other, "cancelled")
    nation.do("notice", "cancel", red, "--all", "--key", key)
    for f in (firm, other):
        reaches(f, red, f, "cancelled")
    refused(firm, "it is cancelled", "sign", red)


def test_states(world):
    nation, province, key, (firm,) = chain(world)
    s = firm.sensor("plant")
    s.emit(1, alert={"severity": 1}, bongsu={"verb": "stop"})
    world.balanced(province, 1)
    flash = wait_for(lambda: province.run("status")[0] == 0 and flashes(province), what="a flash")[0]

    def issue(text):
        case = province.do("notice", "issue", "--to", firm.org, "--text", text, "--deadline", "1d", "--about", flash).strip()
        reaches(firm, case, firm, "delivered")
        reaches(province, case, firm, "delivered")
        return case

    def steps(case, *moves):
        for node, args, wanted in moves:
            node.do("notice", args[0], case, *args[1:])
            for side in (firm, province):
                reaches(side, case, firm, wanted)

    right = issue("CPU stopped")
    for args, why in [(("move", right, "mitigated", "--action", "patched"), "mitigated does not follow delivered"),
                      (("move", right, "verified"), "does not follow"), (("move", right, "bogus"), "no such state"),
                      (("sign", right, "--by", "king"), "--by"), (("sign", right, "more"), "notice sign CASE"),
                      (("sign", "N0-1"), "no such case"), (("verify", right, "--firm", firm.org), "only its issuer"),
                      (("move", right, "delivered"), "delivered")]:
        refused(firm, why, *args)
    steps(right, (firm, ("sign", "--by", "security-lead"), "signed-for"), (firm, ("move", "triage"), "triage"))
    refused(firm, "gives a reason", "move", right, "disputed")
    refused(firm, "--reason: one of not-affected, ", "move", right, "disputed", "--reason", "tired")
    steps(right, (firm, ("move", "in-progress"), "in-progress"))
    refused(firm, "says what was done", "move", right, "mitigated")
    refused(province, "does not follow", "verify", right, "--firm", firm.org)
    refused(province, "a delegate verifies and reopens", "close", right, "--firm", firm.org, "--delegate")
    steps(right, (firm, ("move", "mitigated", "--action", "restored", "--evidence", "2"), "mitigated"))
    steps(right, (province, ("reopen", "--firm", firm.org), "reopened"), (firm, ("move", "in-progress"), "in-progress"),
          (firm, ("move", "mitigated", "--action", "replaced"), "mitigated"), (province, ("verify", "--firm", firm.org), "verified"),
          (province, ("close", "--firm", firm.org), "closed"))
    refused(firm, "it is closed", "sign", right)
    refused(province, "it is closed", "cancel", right, "--firm", firm.org)
    equal([s["state"] for s in show(firm, right)["steps"]], [s["state"] for s in show(province, right)["steps"]], "both sides")
    wrong = issue("again")
    steps(wrong, (firm, ("sign",), "signed-for"), (firm, ("move", "triage"), "triage"),
          (firm, ("move", "disputed", "--reason", "false-alarm"), "disputed"), (province, ("verify", "--firm", firm.org), "verified"),
          (province, ("close", "--firm", firm.org), "closed"))
    # what closed cases say of the rule
    (row,) = json.loads(province.do("notice", "quality", "--json"))
    equal((row["closed"], row["right"], row["false"], row["sign_min"], row["mitigate_min"]), (2, 1, 1, 0, 0), "quality")
    if row["rule"] not in province.do("notice", "quality"):
        raise AssertionError("for people")
    # superseded; and what people see of all that
    third = issue("third")
    province.do("notice", "supersede", third, "--firm", firm.org)
    reaches(firm, third, firm, "superseded")
    equal(firm.do("notice", "list", "--open"), "no open cases\n")
    equal(len(firm.do("notice", "list").splitlines()), 3)
    text = province.do("notice", "show", right)
    for line in ("notice " + right, "restored", "closed by issuer", "signed-for by security-lead", "CPU stopped"):
        if line not in text:
            raise AssertionError("%r is not shown: %s" % (line, text))
    # nothing comes twice, whoever starts anew
    firm.restart()
    province.restart()
    s.emit(1)
    world.balanced(province, 2)
    equal(len(show(firm, right)["steps"]), len(show(province, right)["steps"]))
    equal(firm.alarms() | province.alarms(), set(), "alarms")


def flashes(node):
    """The ids of flashes that a node took, by its store: people have them from the API."""
    import sqlite3
    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(node.folder, "chain.db"), uri=True, timeout=20)
    ids = [r[0] for r in db.execute("SELECT id FROM flash")]
    db.close()
    return ids


def test_timers(world):
    """The holder's parent says overdue and escalated, whether the firm is there or not."""
    nation, province, key, (firm,) = chain(world)
    firm.stop()
    case = province.do("notice", "issue", "--to", firm.org, "--text", "quick", "--deadline", "1d", "--profile", "plain_fast").strip()
    drop = province.do("notice", "issue", "--to", firm.org, "--text", "lifted", "--deadline", "1d", "--profile", "plain_fast").strip()
    province.do("notice", "cancel", drop, "--firm", firm.org)
    wait_for(lambda: (standing(province, case, firm) or {}).get("overdue"), what="overdue at the parent")
    if not any("OVERDUE" in li for li in province.do("notice", "list").splitlines()):
        raise AssertionError("not for people")
    wait_for(lambda: standing(province, case, firm)["escalated"], what="escalated")
    firm.start()
    wait_for(lambda: (standing(firm, case, firm) or {}).get("escalated"), what="the firm sees the same")
    equal(standing(firm, case, firm)["overdue"], True)
    equal((standing(province, drop, firm)["overdue"], state(firm, drop, firm) or "cancelled"), (False, "cancelled"), "a timer that was stopped")
    firm.do("notice", "sign", case)
    reaches(province, case, firm, "signed-for")
    # a warning ends by itself, on both sides
    brief = province.do("notice", "issue", "--warning", "blue", "--text", "brief", "--expires", str(int(time.time()) + 5)).strip()
    reaches(firm, brief, firm, "delivered")
    reaches(firm, brief, firm, "expired")
    reaches(province, brief, firm, "expired")
    refused(firm, "it is expired", "sign", brief)
    refused(province, "--expires", "issue", "--warning", "blue", "--text", "x", "--expires", "1000000000")
    refused(province, "--deadline", "issue", "--to", firm.org, "--text", "x", "--deadline", "1000000000")
    refused(province, "no such profile", "issue", "--to", firm.org, "--text", "x", "--profile", "nobody_fast")


def test_two_upstreams(world):
    """One case through two parents is one case, answered once and heard by both."""
    nation = world.node("nation", "nation")
    key = world.path("national.key")
    keys = {"notice.national_keys": [nation.do("notice", "keygen", key).strip()]}
    nation.configure(notice_national_keys=keys["notice.national_keys"])
    province = world.node("province", "province", [nation], region="370000", settings=keys)
    branch = world.node("branch", "group", [nation], region="370000", sector="C26", settings=keys)
    firm = world.enterprise("firm", [province, (branch, {"link": "view"})], settings=keys)
    case = nation.do("notice", "issue", "--warning", "orange", "--text", "both", "--key", key).strip()
    for node in (firm, province, branch, nation):
        reaches(node, case, firm, "delivered")
    equal(len(json.loads(firm.do("notice", "list", "--json"))), 1, "one case at the firm")
    firm.do("notice", "sign", case)
    for node in (province, branch, nation):
        reaches(node, case, firm, "signed-for")
    equal([s["state"] for s in show(nation, case)["steps"] if s["firm"] == firm.org], ["delivered", "signed-for"], "heard once")
    equal(nation.alarms() | firm.alarms(), set(), "alarms")


def test_contradiction(world):
    """A firm that was put back to yesterday says something else of the same state: both sides see it, nobody decides by time."""
    nation, province, key, (firm,) = chain(world)
    case = province.do("notice", "issue", "--to", firm.org, "--text", "x", "--deadline", "1d").strip()
    reaches(firm, case, firm, "delivered")
    firm.do("notice", "sign", case)
    firm.do("notice", "move", case, "triage")
    reaches(province, case, firm, "triage")
    firm.stop()
    kept = world.path("yesterday")
    os.mkdir(kept)
    for name in os.listdir(firm.folder):
        if name.startswith("chain.db"):
            shutil.copy(os.path.join(firm.folder, name), kept)
    firm.start()
    firm.do("notice", "move", case, "in-progress")
    reaches(province, case, firm, "in-progress")
    firm.stop()
    for name in os.listdir(firm.folder):
        if name.startswith("chain.db"):
            os.unlink(os.path.join(firm.folder, name))
    for name in os.listdir(kept):
        shutil.copy(os.path.join(kept, name), firm.folder)
    firm.start()
    firm.do("notice", "move", case, "not-applicable", "--reason", "no-such-product")
    for side in (province, firm):
        wait_for(lambda: (standing(side, case, firm) or {}).get("conflict"), what="seen at " + side.name)
        equal(standing(side, case, firm)["state"], "triage", "stands where both agree")
        if "notice-conflict" not in side.alarms() or "CONFLICT" not in side.do("notice", "show", case):
            raise AssertionError("not said at " + side.name)
    # a person ends it
    province.do("notice", "cancel", case, "--firm", firm.org)
    for side in (province, firm):
        reaches(side, case, firm, "cancelled")
