#!/bin/sh
# Does packaging/setup.sh do what it says? apt-get, dpkg-query and the like are stood in for; nothing is installed.
setup=$(cd "$(dirname "$0")/../.." && pwd)/packaging/setup.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bin=$folder/bin etc=$folder/root
mkdir -p "$bin" "$etc/usr/sbin" "$etc/etc/init.d" "$etc/etc/systemd/system/multi-user.target.wants" "$etc/etc/rc2.d"
touch "$etc/etc/init.d/cron"
passed=0 failed=0
check() {
	if [ "$2" = true ]; then
		passed=$((passed + 1))
		echo "ok    $1"
	else
		failed=$((failed + 1))
		echo "FAIL  $1: $(cat "$folder/said" "$folder/calls" 2>/dev/null)"
	fi
}
has() {
	grep -q -- "$1" "$folder/$2" && echo true
}

# stub NAME: a program of that name whose text is standard input.
stub() {
	{
		echo '#!/bin/sh'
		cat
	} >"$bin/$1"
	chmod 755 "$bin/$1"
}
stub dpkg-query <<'STUB'
for last; do :; done
grep -qx "$last" "$STATE/absent" && exit 1
echo installed
STUB
stub id <<'STUB'
cat "$STATE/uid"
STUB
stub apt-get <<'STUB'
echo "apt-get $*" >>"$STATE/calls"
case " $* " in *" install "*) ;; *) exit 0 ;; esac
for service in redis-server cron; do
	"$SETUP_ROOT/usr/sbin/policy-rc.d" $service start
	echo "policy $service $?" >>"$STATE/calls"
done
ln -s /lib/systemd/system/redis-server.service "$SETUP_ROOT/etc/systemd/system/multi-user.target.wants/"
ln -s /lib/systemd/system/redis-server.service "$SETUP_ROOT/etc/systemd/system/redis.service"
touch "$SETUP_ROOT/etc/rc2.d/S01redis-server"
[ ! -e "$STATE/broken" ]
STUB
for name in systemctl deb-systemd-helper update-rc.d; do
	stub "$name" <<'STUB'
echo "${0##*/} $*" >>"$STATE/calls"
STUB
done
# Without sudo: only what is named here.
for name in sh awk tr echo grep sed sort comm find cat cp rm mktemp tail ln touch chmod readlink; do
	ln -s "$(command -v "$name")" "$bin/$name" 2>/dev/null
done
run() {
	rm -f "$folder/calls"
	touch "$folder/calls"
	rm -f "$etc/etc/systemd/system/multi-user.target.wants/"* "$etc"/etc/systemd/system/*.service "$etc"/etc/rc2.d/*
	env -i STATE="$folder" SETUP_ROOT="$etc" PATH="$bin" sh "$setup" "$@" >"$folder/said" 2>&1
	status=$?
}
is() {
	[ "$1" = "$2" ] && echo true
}

: >"$folder/absent"
echo 1000 >"$folder/uid"
for goal in demo check cases fuzz bench lint record; do
	run $goal
	check "$goal: all there, nobody asked, nothing said" "$([ $status = 0 ] && [ ! -s "$folder/said" ] && [ ! -s "$folder/calls" ] && echo true)"
	run --list $goal
	check "$goal: names its packages once each" "$([ $status = 0 ] && [ -z "$(tr -s ' ' '\n' <"$folder/said" | sort | uniq -d)" ] && has . said)"
done
run nothing
check 'an unknown goal is refused, status 2' "$(is $status 2)"

echo redis-server >"$folder/absent"
run demo
check 'missing, no root, no sudo: says what to install, status 1' "$([ $status = 1 ] && has 'apt-get install redis-server' said)"

stub sudo <<'STUB'
echo "sudo $*" >>"$STATE/calls"
STUB
run demo
check 'missing, no root: asks sudo for the same' "$([ $status = 0 ] && has 'sudo -- .*setup.sh demo' calls)"
rm "$bin/sudo"

echo 0 >"$folder/uid"
run demo
check 'root installs what is missing and no more' "$([ $status = 0 ] && has 'apt-get .*install redis-server$' calls)"
check 'a new service may not start' "$(has 'policy redis-server 101' calls)"
check 'a service that was here may' "$(has 'policy cron 0' calls)"
check 'a new service is not left enabled' "$(has '\(systemctl -q disable\|deb-systemd-helper disable\) redis-server.service' calls)"
check 'nor is its alias taken for a unit' "$(grep -q 'disable redis.service' "$folder/calls" || echo true)"
check 'nor by its init script' "$(has 'update-rc.d redis-server disable' calls)"
check 'policy-rc.d is gone afterwards' "$([ ! -e "$etc/usr/sbin/policy-rc.d" ] && echo true)"

printf '#!/bin/sh\n# mine\nexit 7\n' >"$etc/usr/sbin/policy-rc.d"
chmod 755 "$etc/usr/sbin/policy-rc.d"
run demo
check "an administrator's policy is asked for what was here" "$(has 'policy cron 7' calls)"
check 'and put back' "$(grep -q '^# mine' "$etc/usr/sbin/policy-rc.d" && echo true)"
touch "$folder/broken"
run demo
check 'apt-get fails: status 1, said, policy put back' \
	"$([ $status = 1 ] && grep -q '^# mine' "$etc/usr/sbin/policy-rc.d" && has 'apt-get failed' said)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
