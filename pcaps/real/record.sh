#!/bin/sh
# record.sh - records the captures of this folder again, between real programs in a network namespace of
# their own; run it as root. Not part of any test: what is recorded differs in times and ports. Needs what
# `packaging/setup.sh record` installs, tcprewrite (tcpreplay) and, for S7, node-snap7 from npm, which it
# builds in a temporary folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	for program in serve_modbus poll_modbus values_modbus; do
		cc -O2 -I/usr/include/modbus -o "$work/$program" "$here/$program.c" -lmodbus
	done
	if (cd "$work" && npm init -y && npm install node-snap7 && npm rebuild node-snap7) >"$work/npm.log" 2>&1; then
		touch "$work/snap7"
	else
		echo "record: no node-snap7 here: S7 is not recorded (see $work/npm.log)" >&2
		trap - EXIT
	fi
	unshare -n "$0" inside "$work"
	exit
fi

work=$2
device=10.9.0.10
unshare -n sleep 600 &
plant=$!
trap 'kill $plant' EXIT
sleep 1
ip link add hmi type veth peer name plc netns $plant
ip address add 10.9.0.5/24 dev hmi
ip link set hmi up
at_plant() {
	nsenter -t $plant -n "$@"
}
at_plant ip address add $device/24 dev plc
at_plant ip link set plc up
at_plant ip link set lo up

# record NAME SERVER… -- CLIENT…
record() {
	name=$1
	shift
	tcpdump -q -Z root -i hmi -U -w "$work/raw.pcap" tcp >/dev/null 2>&1 &
	dump=$!
	sleep 1
	server=
	while [ "$1" != -- ]; do
		server="$server $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # a command and its words
	nsenter -t $plant -n $server >/dev/null 2>&1 &
	pid=$!
	sleep 2
	"$@" >/dev/null
	sleep 1
	kill "$dump" "$pid" 2>/dev/null || :
	wait "$dump" "$pid" 2>/dev/null || :
	# The kernel leaves checksums to a network card that is not there.
	tcprewrite --fixcsum -i "$work/raw.pcap" -o "$here/$name.pcap"
	echo "$name: $(tcpdump -r "$here/$name.pcap" 2>/dev/null | wc -l) packets"
}

record modbus-libmodbus "$work/serve_modbus" $device -- "$work/poll_modbus" $device
record modbus-pymodbus-mbpoll /usr/bin/python3 "$here/serve_pymodbus.py" $device -- \
	sh -c "timeout 5 mbpoll -m tcp -a 1 -r 1 -c 10 -t 4 -l 100 $device || :; timeout 4 mbpoll -m tcp -a 1 -r 1 -c 16 -t 3:hex -l 200 $device || :"
record ../value/libmodbus "$work/serve_modbus" $device -- "$work/values_modbus" $device
record ../value/pymodbus /usr/bin/python3 "$here/serve_pymodbus.py" $device -- /usr/bin/python3 "$here/values_pymodbus.py" $device
if [ -e "$work/snap7" ]; then
	cp "$here/poll_s7.js" "$here/values_s7.js" "$work/"
	record ../value/snap7 node "$work/values_s7.js" serve $device -- node "$work/values_s7.js" write $device
	record s7-snap7 node "$work/poll_s7.js" serve $device -- node "$work/poll_s7.js" poll $device
fi
