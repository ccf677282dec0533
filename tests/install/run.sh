#!/bin/sh
# Does `make install` put everything in place, and does what is installed work from there?
cd "$(dirname "$0")/../.." || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0 skipped=0
check() {
	what=$1
	shift
	if "$@" >"$folder/said" 2>&1; then
		passed=$((passed + 1))
		echo "ok    $what"
	else
		failed=$((failed + 1))
		echo "FAIL  $what: $(cat "$folder/said")"
	fi
}
at=$folder/there
check 'make install' make -s B="$BUILD" DESTDIR="$at" PREFIX=/usr install
for file in usr/sbin/bongsu-sensor usr/sbin/bongsu-aggregator usr/bin/bongsu-tail usr/share/bongsu/chain/timers.yaml \
	usr/share/bongsu/chain/codes.yaml usr/share/doc/bongsu/chain.md usr/share/man/man8/bongsu-aggregator.8 \
	usr/lib/sysusers.d/bongsu.conf etc/bongsu/aggregator.yaml usr/lib/systemd/system/bongsu-aggregator.service \
	usr/share/bash-completion/completions/bongsu-aggregator usr/share/bongsu/rules/modbus.yaml usr/share/man/man8/bongsu-sensor.8 \
	usr/share/man/man1/bongsu-tail.1 usr/share/bash-completion/completions/bongsu-tail etc/logrotate.d/bongsu \
	etc/bongsu/sensor.yaml usr/lib/systemd/system/bongsu-sensor.service; do
	check "$file" test -s "$at/$file"
done
for p in sensor aggregator; do echo '# mine' >>"$at/etc/bongsu/$p.yaml"; done
check 'make install again' make -s B="$BUILD" DESTDIR="$at" PREFIX=/usr install
check 'keeps the configuration that is there' sh -c "[ \"\$(cat '$at'/etc/bongsu/*.yaml | grep -c '^# mine')\" = 2 ]"
capture=$PWD/pcaps/demo/plant.pcap
cd / || exit 1
check 'the installed sensor finds its rules' "$at/usr/sbin/bongsu-sensor" -T -c "$at/etc/bongsu/sensor.yaml"
"$at/usr/sbin/bongsu-sensor" --quiet -r "$capture" >"$folder/eve.json" 2>"$folder/said"
check 'and replays' grep -q '"event_type":"alert"' "$folder/eve.json"
# The machine's own configuration is the sensor's: a replay beside it must not write where the sensor does.
check 'packets of alerts are kept, where the unit lets the sensor write' sh -c "'$at/usr/sbin/bongsu-sensor' -c '$at/etc/bongsu/sensor.yaml' --dump-config |
	grep -q '^  folder: .*/var/lib/bongsu/evidence' && grep -qx StateDirectory=bongsu '$at/usr/lib/systemd/system/bongsu-sensor.service'"
if unshare -rm true 2>/dev/null; then
	# shellcheck disable=SC2016 # of the inner shell
	check 'a replay beside it leaves its files alone' unshare -rm sh -c '
		for place in /etc /var/lib /var/log; do mount -t tmpfs none $place || exit 1; done
		mkdir /etc/bongsu && cp "$1/etc/bongsu/sensor.yaml" /etc/bongsu/ || exit 1
		"$1/usr/sbin/bongsu-sensor" --quiet -r "$2" >/etc/said && grep -q "\"event_type\":\"alert\"" /etc/said || exit 1
		! grep -q "\"slice\"" /etc/said && [ -z "$(ls /var/lib /var/log | grep -v :)" ] || exit 1
		"$1/usr/sbin/bongsu-sensor" --quiet -r "$2" -c /etc/bongsu/sensor.yaml -o - >/etc/said && grep -q "\"slice\":\"/var/lib/bongsu/evidence/0-" /etc/said &&
			[ -n "$(ls /var/lib/bongsu/evidence)" ]' - "$at" "$capture"
else
	skipped=$((skipped + 1))
	echo 'SKIP  no namespace for a machine with a configuration'
fi
# The data compiled into this build are those below its own PREFIX; the program itself needs none to answer.
aggregator="$at/usr/sbin/bongsu-aggregator"
check 'the installed aggregator takes its configuration' "$aggregator" -T -c "$at/etc/bongsu/aggregator.yaml"
check 'and becomes a centre' "$aggregator" --set node.folder="$folder/node" enroll authority --tier nation
check 'that tells its state' "$aggregator" --set node.folder="$folder/node" verify
for p in sensor aggregator; do
	check "the unit names the program bongsu-$p" grep -q "^ExecStart=/usr/sbin/bongsu-$p " "$at/usr/lib/systemd/system/bongsu-$p.service"
	check "bongsu-$p is hardened" sh -c "readelf -hld '$at/usr/sbin/bongsu-$p' | awk '/Type:.*DYN/ {p=1} /GNU_RELRO/ {r=1} /BIND_NOW|NOW/ {n=1} END {exit !(p && r && n)}'"
done
check 'the units run as the user that is made' sh -c "grep -h ^User= '$at'/usr/lib/systemd/system/*.service | sort -u | grep -qx 'User=bongsu' && grep -q '^u bongsu ' '$at/usr/lib/sysusers.d/bongsu.conf'"
check 'the tail needs no capture or rule library' sh -c "! ldd '$at/usr/bin/bongsu-tail' | grep -E 'pcap|yaml|pcre|seccomp'"
if command -v systemd-analyze >/dev/null; then
	# The program must be where the unit says for this to be judged; its score is about the unit alone.
	for p in sensor aggregator; do
		sed "s|/usr/sbin/bongsu-$p|/bin/true|" "$at/usr/lib/systemd/system/bongsu-$p.service" >"$folder/bongsu-$p.service"
		check "exposure of the unit of bongsu-$p is 2.0 or less" systemd-analyze security --offline=true --threshold=20 "$folder/bongsu-$p.service"
	done
else
	skipped=$((skipped + 1))
	echo 'SKIP  no systemd-analyze'
fi
if [ $skipped = 0 ]; then
	echo "$passed passed, $failed failed"
else
	echo "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ]
