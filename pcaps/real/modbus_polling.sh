#!/bin/sh
# modbus_polling.sh - records mbpoll (libmodbus) polling a pymodbus server, in a network namespace of its own.
# usage: pcaps/real/modbus_polling.sh OUT.pcap     needs mbpoll, python3-pymodbus, tcpdump, unshare
# Half a minute of what an HMI does all day: coils, inputs, registers, now and then a set point.
set -eu
out=$(realpath "$1")
[ "${2-}" = inside ] || exec unshare -Urn "$0" "$out" inside

ip link set lo up
work=$(mktemp -d)
trap 'kill $server $capture 2>/dev/null || :; rm -rf "$work"' EXIT
cat > "$work/server.py" <<'PYTHON'
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer

blocks = {k: ModbusSequentialDataBlock(0, [n % 7 for n in range(200)]) for k in ("di", "co", "hr", "ir")}
StartTcpServer(context=ModbusServerContext(slaves=ModbusSlaveContext(**blocks), single=True), address=("127.0.0.1", 502))
PYTHON
/usr/bin/python3 "$work/server.py" & server=$!
tcpdump -q -i lo -w "$work/raw.pcap" -U 'tcp port 502' 2>/dev/null & capture=$!
sleep 2
for type in 0 1 3 4; do
	timeout 4 mbpoll -q -m tcp -a 17 -t $type -r 10 -c 8 -l 200 127.0.0.1 > /dev/null || :
done
mbpoll -q -m tcp -a 17 -t 4 -r 10 -1 127.0.0.1 77 > /dev/null
mbpoll -q -m tcp -a 17 -t 4 -r 20 -1 127.0.0.1 1 2 3 > /dev/null
timeout 4 mbpoll -q -m tcp -a 17 -t 4 -r 10 -c 100 -l 200 127.0.0.1 > /dev/null || :
sleep 1
kill $capture
wait $capture || :
cp "$work/raw.pcap" "$out"
