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
for file in usr/sbin/bongsu-sensor usr/bin/bongsu-tail usr/share/bongsu/rules/modbus.yaml usr/share/man/man8/bongsu-sensor.8 \
	usr/share/man/man1/bongsu-tail.1 usr/share/bash-completion/completions/bongsu-tail etc/logrotate.d/bongsu \
	etc/bongsu/sensor.yaml usr/lib/systemd/system/bongsu-sensor.service; do
	check "$file" test -s "$at/$file"
done
echo '# mine' >>"$at/etc/bongsu/sensor.yaml"
check 'make install again' make -s B="$BUILD" DESTDIR="$at" PREFIX=/usr install
check 'keeps the configuration that is there' grep -q '^# mine' "$at/etc/bongsu/sensor.yaml"
capture=$PWD/pcaps/demo/plant.pcap
cd / || exit 1
check 'the installed sensor finds its rules' "$at/usr/sbin/bongsu-sensor" -T -c "$at/etc/bongsu/sensor.yaml"
"$at/usr/sbin/bongsu-sensor" --quiet -r "$capture" >"$folder/eve.json" 2>"$folder/said"
check 'and replays' grep -q '"event_type":"alert"' "$folder/eve.json"
check 'the unit names the program' grep -q '^ExecStart=/usr/sbin/bongsu-sensor ' "$at/usr/lib/systemd/system/bongsu-sensor.service"
check 'the tail needs no capture or rule library' sh -c "! ldd '$at/usr/bin/bongsu-tail' | grep -E 'pcap|yaml|pcre|seccomp'"
check 'the sensor is hardened' sh -c "readelf -hld '$at/usr/sbin/bongsu-sensor' | awk '/Type:.*DYN/ {p=1} /GNU_RELRO/ {r=1} /BIND_NOW|NOW/ {n=1} END {exit !(p && r && n)}'"
if command -v systemd-analyze >/dev/null; then
	# The program must be where the unit says for this to be judged; its score is about the unit alone.
	sed "s|/usr/sbin/bongsu-sensor|/bin/true|" "$at/usr/lib/systemd/system/bongsu-sensor.service" >"$folder/bongsu-sensor.service"
	check 'exposure of the unit is 2.0 or less' systemd-analyze security --offline=true --threshold=20 "$folder/bongsu-sensor.service"
else
	skipped=1
	echo 'SKIP  no systemd-analyze'
fi
if [ $skipped = 0 ]; then
	echo "$passed passed, $failed failed"
else
	echo "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ]
