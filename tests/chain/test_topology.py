"""Tiers and links: what is emitted at the bottom is accounted for at the top."""
from kit import wait_for


def test_three_tiers(world):
    nation, province, firms = world.chain(enterprises=2)
    sensors = [f.sensor("plant") for f in firms]
    for s in sensors:
        s.emit(50)
        s.emit(5, kind="stats")
        s.emit(1, alert={"severity": 1}, bongsu={"verb": "stop"})
    world.balanced_at_all(sensors, [province, nation])
    wait_for(lambda: len(world.servers["nation"].feed("flash")) == 2, what="a flash of each at the nation")


def test_restarts(world):
    nation, province, (a,) = world.chain()
    s = a.sensor()
    s.emit(50)
    world.balanced(nation, 50)
    for node in (nation, province, a):
        node.kill()
        node.start()
    s.emit(50)
    replayed = a.replay("pcaps/demo", name="replayed")
    world.balanced(nation, 100 + replayed)
    nation.restart()
    world.balanced(nation, 100 + replayed)
